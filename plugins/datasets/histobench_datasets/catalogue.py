"""The cards of the built-in datasets; listing them imports nothing heavy."""

from dataclasses import replace
from functools import partial

from histobench import DatasetCard, TargetFact, lazy, leave_one_patient_out, leave_one_slide_out
from histobench_datasets.her2st.layout import CUCA_4FOLD

__all__ = ["DATASETS", "HER2ST", "SYNTHETIC", "SYNTHETIC_300", "SYNTHETIC_1000", "VISIUM", "VISIUM_HD"]

_GENERATE = lazy("histobench_datasets.synthetic.dataset:generate")
_READ_SECTIONS = lazy("histobench_datasets.visium.dataset:VisiumSections")


def _expression(title: str) -> TargetFact:
    return TargetFact(name="gene_expression", kind="gene_expression", title=title, unit="ln(1 + counts per 10,000)")


def _labels(title: str) -> TargetFact:
    return TargetFact(name="label", kind="label", title=title, unit="class")


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
    build=_GENERATE,
    targets=(
        TargetFact(
            name="cell_abundance",
            kind="cell_abundance",
            title="cells of 8 types under the spot, as a deconvolution would estimate them",
            unit="cells per spot",
        ),
        _expression("expression of 120 invented genes"),
        _labels("the class of tissue that covers most of the spot"),
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
"""The default dataset, with 4,000 molecules per spot on average."""

SYNTHETIC_1000 = replace(
    SYNTHETIC,
    name="synthetic-1000",
    title="the same generated tissue, sequenced to about 1,000 molecules per spot",
    build=partial(_GENERATE, depth=0.25),
    default=False,
)
"""A quarter of the molecules, with the images and truth of `SYNTHETIC`."""

SYNTHETIC_300 = replace(
    SYNTHETIC,
    name="synthetic-300",
    title="the same generated tissue, sequenced to about 300 molecules per spot",
    build=partial(_GENERATE, depth=0.075),
    default=False,
)
"""At most one molecule for most genes of most spots, as on real sections."""

HER2ST = DatasetCard(
    name="her2st",
    title="HER2-positive breast cancer, 36 sections of 8 patients",
    url="https://github.com/almaan/her2st",
    licence="CC BY 4.0 (see Zenodo 10.5281/zenodo.4751624)",
    citation="Andersson et al. (2021), Nature Communications 12:6012, doi:10.1038/s41467-021-26271-2",
    build=lazy("histobench_datasets.her2st.dataset:Her2st"),
    targets=(
        _proportions("minor", 22),
        _proportions("major", 8),
        _proportions("subset", 41),
        _expression("expression by the Spatial Transcriptomics array"),
        _labels("the pathologist's class of tissue, on one slide of each patient; undetermined spots are left out"),
    ),
    schemes=(leave_one_patient_out, CUCA_4FOLD, leave_one_slide_out),
    organ="breast",
    platform="Spatial Transcriptomics (legacy)",
    lattice="square",
    n_slides=36,
    n_patients=8,
    download=lazy("histobench_datasets.her2st.download:download"),
    check=lazy("histobench_datasets.her2st.download:check"),
)
"""The data as published."""

VISIUM = DatasetCard(
    name="visium",
    title="your own Visium sections: a folder of Space Ranger's output with a table, slides.csv",
    licence="that of your own data",
    build=partial(_READ_SECTIONS, technology="visium"),
    targets=(_expression("expression by Visium"),),
    schemes=(leave_one_patient_out, leave_one_slide_out),
    platform="Visium",
    lattice="hex",
)
"""Visium sections from Space Ranger; patients, images and sections are the user's."""

VISIUM_HD = replace(
    VISIUM,
    name="visium-hd",
    title="your own Visium HD sections, in spots of about 55 µm: a folder of Space Ranger's output with slides.csv",
    build=partial(_READ_SECTIONS, technology="visium-hd"),
    targets=(_expression("expression by Visium HD, added up over pseudo-spots"),),
    platform="Visium HD",
    lattice="square",
)
"""The Visium HD sections of the same folder and table."""

DATASETS = (SYNTHETIC, SYNTHETIC_1000, SYNTHETIC_300, HER2ST, VISIUM, VISIUM_HD)
"""Every dataset of this package."""
