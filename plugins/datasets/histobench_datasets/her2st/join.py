"""The spots that all tables of a her2st slide share, and checks that the tables belong to the same slide."""

from collections.abc import Collection, Mapping, Sequence

from histobench import DataError

__all__ = ["check_same_slide", "join_spots", "spot_position"]

_COMMON = 0.95  # of the spots of two tables; published tables of one slide share all, of two slides at most 0.90


def spot_position(spot: str, /) -> tuple[int, int]:
    """Return column and row of a spot id such as ``10x14``."""
    column, row = spot.split("x")
    return int(column), int(row)


def check_same_slide(source: str, spot_ids: Collection[str], counted: Collection[str], /, *, slide_id: str) -> None:
    """Check that a table has the spots with counts; otherwise it belongs to another slide.

    Raises
    ------
    DataError
        If less than 95 % of the spots are shared.
    """
    common, either = len(set(spot_ids) & set(counted)), len(set(spot_ids) | set(counted))
    if common < _COMMON * either:
        raise DataError(
            f"'{source}' does not belong to slide {slide_id!r}: of its {len(spot_ids)} spots {common} are among the "
            f"{len(counted)} that have counts; is it the file of another slide?"
        )


def join_spots(
    slide_id: str, tables: Mapping[str, Sequence[str]], /, *, empty: Collection[str] = ()
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the spots that are in every table.

    Parameters
    ----------
    tables
        Name of a table → its spots.
    empty
        Spots with zero counts only, which are left out.

    Returns
    -------
    spots
        (n,) sorted by row, then column.
    notes
        A sentence for each table that lost spots.

    Raises
    ------
    DataError
        If no spot is left.
    """
    common = set.intersection(*(set(spots) for spots in tables.values()))
    spots = sorted(common - set(empty), key=lambda spot: spot_position(spot)[::-1])
    if not spots:
        raise DataError(f"slide {slide_id!r}: {', '.join(tables)} have no spot in common; are they of the same slide?")
    notes = [
        f"slide {slide_id!r}: {lost} of {len(table)} spots of the {name} are left out: other tables lack them."
        for name, table in tables.items()
        if (lost := len(table) - len(common))
    ]
    if n_empty := len(common & set(empty)):
        notes.append(f"slide {slide_id!r}: {n_empty} of {len(common)} spots are left out: they have no counts.")
    return tuple(spots), tuple(notes)
