"""The built-in datasets' cards; listing them imports nothing heavy."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from histobench import Dataset, DatasetCard, TargetFact, leave_one_patient_out, leave_one_slide_out
from histobench_datasets.her2st.layout import CUCA_4FOLD

if TYPE_CHECKING:
    from histobench_datasets.visium.sections import Technology

__all__ = ["DATASETS", "HER2ST", "SYNTHETIC", "SYNTHETIC_300", "SYNTHETIC_1000", "VISIUM", "VISIUM_HD"]

_COUNTS_PER_TEN_THOUSAND = "ln(1 + counts per 10,000)"


def _build_synthetic(_root: Path | None, *, depth: float = 1.0) -> Dataset:
    from histobench_datasets.synthetic.dataset import Synthetic
    from histobench_datasets.synthetic.tissue import Design

    return Synthetic(Design(depth=depth))


def _build_her2st(root: Path | None) -> Dataset:
    from histobench_datasets.her2st.dataset import Her2st

    return Her2st(root)


def _build_visium(root: Path | None, *, technology: "Technology") -> Dataset:
    from histobench_datasets.visium.dataset import VisiumSections

    return VisiumSections(root, technology)


def _download_her2st(root: Path | None) -> None:
    from histobench_datasets.her2st.download import download

    download(root)


def _check_her2st(root: Path | None) -> Mapping[str, str]:
    from histobench_datasets.her2st.download import check

    return check(root)


def _proportions(tier: str, n_types: int) -> TargetFact:
    return TargetFact(
        name=f"cell_abundance:{tier}",
        kind="cell_abundance",
        title=f"share of {n_types} cell types at the spot, by stereoscope; the shares of a spot sum to one",
        unit="proportion",
    )


SYNTHETIC = DatasetCard(
    name="synthetic",
    title="generated breast-like tissue with a known truth; nothing to download",
    licence="Apache-2.0",
    build=_build_synthetic,
    targets=(
        TargetFact(
            name="cell_abundance",
            kind="cell_abundance",
            title="cells of 8 types under the spot, as a deconvolution would estimate them",
            unit="cells per spot",
        ),
        TargetFact(
            name="gene_expression",
            kind="gene_expression",
            title="expression of 120 invented genes",
            unit=_COUNTS_PER_TEN_THOUSAND,
        ),
        TargetFact(name="label", kind="label", title="the class of tissue that covers most of the spot", unit="class"),
    ),
    schemes=(leave_one_patient_out, leave_one_slide_out),
    organ="breast",
    platform="generated",
    lattice="square",
    n_slides=8,
    n_patients=4,
    generated=True,
    default=True,
    has_oracle=True,
)
"""Made on the spot, 4,000 molecules a spot in the mean; the default."""

SYNTHETIC_1000 = replace(
    SYNTHETIC,
    name="synthetic-1000",
    title="the same generated tissue, sequenced to about 1,000 molecules a spot",
    build=partial(_build_synthetic, depth=0.25),
    default=False,
)
"""A quarter of the molecules; images and truth are those of `SYNTHETIC`."""

SYNTHETIC_300 = replace(
    SYNTHETIC,
    name="synthetic-300",
    title="the same generated tissue, sequenced to about 300 molecules a spot",
    build=partial(_build_synthetic, depth=0.075),
    default=False,
)
"""What leaves most genes of most spots with one molecule or none, as on real sections."""

HER2ST = DatasetCard(
    name="her2st",
    title="HER2-positive breast cancer, 36 sections of 8 patients",
    url="https://github.com/almaan/her2st",
    licence="CC BY 4.0 (see Zenodo 10.5281/zenodo.4751624)",
    citation="Andersson et al. (2021), Nature Communications 12:6012, doi:10.1038/s41467-021-26271-2",
    build=_build_her2st,
    targets=(
        _proportions("minor", 22),
        _proportions("major", 8),
        _proportions("subset", 41),
        TargetFact(
            name="gene_expression",
            kind="gene_expression",
            title="expression by the Spatial Transcriptomics array",
            unit=_COUNTS_PER_TEN_THOUSAND,
        ),
        TargetFact(
            name="label",
            kind="label",
            title="the pathologist's class of tissue, on one slide of each patient; undetermined spots are left out",
            unit="class",
        ),
    ),
    schemes=(leave_one_patient_out, CUCA_4FOLD, leave_one_slide_out),
    organ="breast",
    platform="Spatial Transcriptomics (legacy)",
    lattice="square",
    n_slides=36,
    n_patients=8,
    download=_download_her2st,
    check=_check_her2st,
)
"""As its publisher ships it."""

VISIUM = DatasetCard(
    name="visium",
    title="your own Visium sections: a folder of Space Ranger's output with a table, slides.csv",
    licence="that of your own data",
    build=partial(_build_visium, technology="visium"),
    targets=(
        TargetFact(
            name="gene_expression", kind="gene_expression", title="expression by Visium", unit=_COUNTS_PER_TEN_THOUSAND
        ),
    ),
    schemes=(leave_one_patient_out, leave_one_slide_out),
    platform="Visium",
    lattice="hex",
)
"""What Space Ranger wrote; patients, images and sections are the user's."""

VISIUM_HD = replace(
    VISIUM,
    name="visium-hd",
    title="your own Visium HD sections, in spots of about 55 µm: a folder of Space Ranger's output with slides.csv",
    build=partial(_build_visium, technology="visium-hd"),
    targets=(replace(VISIUM.targets[0], title="expression by Visium HD, added up over pseudo-spots"),),
    platform="Visium HD",
    lattice="square",
)
"""The same folder and table, of which it reads the other sections."""

DATASETS = (SYNTHETIC, SYNTHETIC_1000, SYNTHETIC_300, HER2ST, VISIUM, VISIUM_HD)
"""Every dataset of this package."""
