"""Numbers of the comparison by CUCA's authors on three cohorts, for the cards of the methods compared."""

from collections.abc import Mapping

from histobench.weights import Reproduction, View

__all__ = ["cuca_comparison"]

_SCHEMES = {"humanlung": "leave-one-patient-out", "her2st": "cuca-4fold", "stnet": "cuca-4fold"}
_TYPES = {"humanlung": 80, "her2st": 39, "stnet": 39}
_SLIDES = {"humanlung": 11, "her2st": 36, "stnet": 68}
_PATIENTS = {"humanlung": 4, "her2st": 8, "stnet": 23}

_READING = 0.01
"""Largest error of a number that was read off the published figure (abundance_protocol, section 10)."""

_SEED = 0.01
"""Assumed effect of another initialisation and order of batches; the publication reports a single run."""

_SELECTED_ON_TEST = (
    "published: the epoch of highest score on the test donor itself; here no epoch is selected on test, which lowers "
    "the number"
)
_DECONVOLUTION = "abundances are the authors' cell2location estimates, which come with their processed data alone"


def cuca_comparison(
    across_splits: Mapping[str, float],
    across_slides: Mapping[str, float],
    *,
    encoder: str = "",
    printed: bool = False,
    settings: Mapping[str, object] | None = None,
) -> tuple[Reproduction, ...]:
    """Make the records of one method from its Pearson correlations by cohort.

    Parameters
    ----------
    printed
        True if the numbers across splits are printed in the text, not read off the figure.
    """
    views: tuple[tuple[View, Mapping[str, float]], ...] = (
        ("pooled per fold", across_splits),
        ("per slide", across_slides),
    )
    return tuple(
        Reproduction(
            dataset=dataset,
            target="cell_abundance:cell2location",
            scheme=_SCHEMES[dataset],
            metric="pearson",
            view=view,
            value=value,
            tolerance=_SEED if printed and view == "pooled per fold" else _SEED + _READING,
            panel=f"{_TYPES[dataset]} cell types by cell2location",
            source="Yan et al. (2025), as abundance_protocol, section 10, gives it",
            encoder=encoder,
            settings=settings or {},
            slides=_SLIDES[dataset],
            patients=_PATIENTS[dataset],
            note="; ".join([_DECONVOLUTION, *([_SELECTED_ON_TEST] if dataset == "humanlung" else [])]),
        )
        for view, values in views
        for dataset, value in values.items()
    )
