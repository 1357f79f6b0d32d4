"""Checks of a dataset, on its first slides."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from histobench.contracts.cards import DatasetCard, TargetFact
from histobench.contracts.protocols import Dataset
from histobench.data import Slide, SpotTable
from histobench.data.panels import fit_panel
from histobench.data.splits import Scheme, make_folds
from histobench.errors import DataError, LeakageError
from histobench.testing.facts import check_facts, expect, untouched

__all__ = ["check_dataset"]


def check_dataset(card: DatasetCard, /, *, root: Path | None = None, slides: int = 2) -> None:
    """Prove that a dataset keeps the contract, for every target that its card names.

    Parameters
    ----------
    root
        Folder with its files, as for ``--data-root``.
    slides
        Number of slides of each target to read.

    Raises
    ------
    ContractError
        Naming the dataset and the first broken promise.
    DataError
        If none of its slides is available. A target without available slides is skipped.
    """
    check_facts(card, "dataset")
    it = f"dataset {card.name!r}"
    _check_card(it, card)
    dataset = card.build(root)
    known = {target: _check_slides(f"{it}, {target.name}", card, dataset, target) for target in card.targets}
    if not any(known.values()):
        raise DataError(f"{it}: no slide of any target is available, so there is nothing to check.")
    for target, listed in known.items():
        if listed:
            _check_target(f"{it}, {target.name}", card, dataset, target=target, slides=listed[:slides])
            formed = _count_folds(f"{it}, {target.name}", card.schemes, listed)
            whole = not dataset.left_out(target.name)
            expect(formed > 0 or not whole, f"{it}, {target.name}: no scheme forms a fold from all of its slides.")
    target, listed = next((target, listed) for target, listed in known.items() if listed)
    for slide in listed[:slides]:
        _check_image(it, dataset, slide, dataset.table(slide, target.name))


def _check_card(it: str, card: DatasetCard) -> None:
    names = [target.name for target in card.targets]
    expect(bool(names), f"{it}: its card names no target.")
    expect(len(set(names)) == len(names), f"{it}: its card names a target twice.")
    for target in card.targets:
        fits = target.name == target.kind or target.name.startswith(f"{target.kind}:")
        expect(fits, f"{it}: target {target.name!r} must be called {target.kind!r} or '{target.kind}:<variant>'.")
        expect(bool(target.title and target.unit), f"{it}: target {target.name!r} has no title or no unit.")
    schemes = [scheme.name for scheme in card.schemes]
    expect(bool(schemes), f"{it}: its card has no scheme.")
    expect(len(set(schemes)) == len(schemes), f"{it}: its card names a scheme twice.")


def _check_slides(here: str, card: DatasetCard, dataset: Dataset, target: TargetFact) -> Sequence[Slide]:
    slides = dataset.slides(target.name)
    expect(
        list(slides) == list(dataset.slides(target.name)), f"{here}: it lists its slides in another order each time."
    )
    ids = [slide.id for slide in slides]
    expect(len(set(ids)) == len(ids), f"{here}: it lists a slide twice.")
    expect(all(slide.patient for slide in slides), f"{here}: a slide has no patient.")
    left_out = dataset.left_out(target.name)
    expect(bool(slides) or bool(left_out), f"{here}: it has no slides, and none is left out with a reason.")
    both = sorted(set(ids) & set(left_out))
    expect(not both, f"{here}: slide {both[:1]} is both listed and left out.")
    expect(all(why.strip() for why in left_out.values()), f"{here}: a slide is left out without a reason.")
    published = card.n_slides if card.n_slides is not None else len(ids)
    expect(len(ids) <= published, f"{here}: it lists {len(ids)} slides, the card states {card.n_slides}.")
    patients = len({slide.patient for slide in slides})
    expect(
        card.n_patients is None or patients <= card.n_patients, f"{here}: it has more patients than the card states."
    )
    return slides


def _check_target(
    here: str, card: DatasetCard, dataset: Dataset, *, target: TargetFact, slides: Sequence[Slide]
) -> None:
    tables = [_check_table(here, card, dataset, target=target, slide=slide) for slide in slides]
    names = {table.targets.names for table in tables if table.targets is not None}
    expect(len(names) <= 1, f"{here}: its slides do not share their target names.")
    panel = fit_panel(target.kind, tables, unit=target.unit)
    expect(bool(panel.names), f"{here}: it has nothing to predict.")
    _check_fingerprints(here, dataset, target, slides)


def _check_table(here: str, card: DatasetCard, dataset: Dataset, *, target: TargetFact, slide: Slide) -> SpotTable:
    where = f"{here}, slide {slide.id!r}"
    with untouched(f"{where}: table"):
        table = dataset.table(slide, target.name)
    expect(table.slide == slide, f"{where}: its table is of another slide, {table.slide.id!r}.")
    expect(table.lattice == card.lattice, f"{where}: its lattice is {table.lattice}, the card states {card.lattice}.")
    places = np.unique(table.array, axis=0)
    expect(len(places) == len(table.spot_ids), f"{where}: two spots share a place on the lattice.")
    finite = np.isfinite(table.xy_um).all() and np.isfinite(table.xy_px).all()
    expect(bool(finite), f"{where}: a spot has no place.")
    _check_content(where, card, table, target)
    again = dataset.table(slide, target.name)
    expect(again.spot_ids == table.spot_ids, f"{where}: read twice, its spots come in another order.")
    if table.targets is not None and again.targets is not None:
        same = np.array_equal(again.targets.values, table.targets.values)
        expect(same, f"{where}: read twice, its targets differ.")
    for note in dataset.notes(slide, target.name):
        expect(bool(note.strip()), f"{where}: it notes an empty sentence.")
    return table


def _check_content(where: str, card: DatasetCard, table: SpotTable, target: TargetFact) -> None:
    if target.kind == "gene_expression":
        expect(table.counts is not None, f"{where}: genes are read off counts, and it has none.")
    else:
        kind = None if table.targets is None else table.targets.kind
        expect(kind == target.kind, f"{where}: its targets are {kind}, not {target.kind}.")
    expect(card.has_oracle or table.oracle is None, f"{where}: it has an oracle, but its card does not declare one.")
    expect(not card.has_oracle or table.oracle is not None, f"{where}: its card promises an oracle.")
    if target.kind == "label" and table.targets is not None:
        one_hot = np.isin(table.targets.values, (0, 1)).all() and (table.targets.values.sum(axis=1) == 1).all()
        expect(bool(one_hot), f"{where}: labels are one-hot, with one class per spot.")


def _check_image(it: str, dataset: Dataset, slide: Slide, table: SpotTable) -> None:
    where = f"{it}, slide {slide.id!r}"
    image = dataset.image(slide)
    expect(bool(image.content_hash()), f"{where}: its image has an empty content hash.")
    expect(image.content_hash() == dataset.image(slide).content_hash(), f"{where}: its image's content hash changes.")
    pixels = image.read()
    rgb = pixels.ndim == 3 and pixels.shape[-1] == 3 and pixels.dtype == np.uint8
    expect(rgb, f"{where}: an image is (h, w, 3) uint8, got {pixels.shape} {pixels.dtype}.")
    height, width = pixels.shape[:2]
    inside = (table.xy_px >= 0).all() and (table.xy_px <= (width, height)).all()
    expect(bool(inside), f"{where}: a spot lies outside its image of {width} x {height} pixels; x comes first.")
    if slide.mpp is not None and len(table.spot_ids) > 1:
        micron, pixel = (float(np.ptp(xy, axis=0).max()) for xy in (table.xy_um, table.xy_px))
        agrees = bool(np.isclose(micron, pixel * slide.mpp, rtol=0.05))
        expect(agrees, f"{where}: it spans {micron:.0f} µm but {pixel:.0f} px of {slide.mpp:.3g} µm; mpp is wrong.")


def _check_fingerprints(here: str, dataset: Dataset, target: TargetFact, slides: Sequence[Slide]) -> None:
    prints = [dataset.fingerprint(slide, target.name) for slide in slides]
    expect(all(prints), f"{here}: a slide has an empty fingerprint.")
    expect(len(set(prints)) == len(prints), f"{here}: two slides have one fingerprint.")
    again = [dataset.fingerprint(slide, target.name) for slide in slides]
    expect(prints == again, f"{here}: a slide's fingerprint changes.")


def _count_folds(here: str, schemes: Sequence[Scheme], slides: Sequence[Slide]) -> int:
    """Form the folds of every scheme; `Split` refuses leakage unless the scheme is marked as leaking."""
    formed = 0
    for scheme in schemes:
        try:
            folds = make_folds(scheme, slides)
        except DataError:
            continue  # too few slides on this machine, which is not an error of the dataset
        except LeakageError as error:
            expect(False, f"{here}: scheme {scheme.name!r} is not marked as leaking: {error}")
        formed += len(folds.splits)
    return formed
