"""The built-in datasets' cards; listing them imports nothing heavy."""

from pathlib import Path

from histobench import Dataset, DatasetCard, TargetFact, leave_one_patient_out, leave_one_slide_out

__all__ = ["DATASETS"]


def _build_synthetic(_root: Path | None) -> Dataset:
    from histobench_datasets.synthetic import Synthetic

    return Synthetic()


DATASETS = (
    DatasetCard(
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
                unit="ln(1 + counts per 10,000)",
            ),
        ),
        schemes=(leave_one_patient_out, leave_one_slide_out),
        organ="breast",
        platform="generated",
        lattice="square",
        n_slides=8,
        n_patients=4,
        generated=True,
        has_oracle=True,
    ),
)
"""Every dataset of this package."""
