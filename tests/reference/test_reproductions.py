"""The published numbers on the cards, digit by digit (abundance_protocol.md, section 10; hist2st.md, Defaults)."""

import pytest

from histobench import MethodCard
from histobench_heads.he2gene.catalogue import HE2GENE_BASE, HE2GENE_SPAT
from histobench_heads.hist2st.catalogue import HIST2ST
from histobench_heads.histogene.catalogue import HISTOGENE
from histobench_heads.stnet.catalogue import STNET
from histobench_heads.thitogene.catalogue import THITOGENE

pytestmark = pytest.mark.reference


@pytest.mark.parametrize(
    ("card", "across_splits", "across_slides"),
    [
        (
            STNET,
            {"humanlung": 0.275, "her2st": 0.30, "stnet": 0.20},
            {"humanlung": 0.245, "her2st": 0.36, "stnet": 0.205},
        ),
        (
            HISTOGENE,
            {"humanlung": 0.085, "her2st": 0.21, "stnet": 0.21},
            {"humanlung": 0.04, "her2st": 0.24, "stnet": 0.25},
        ),
        (THITOGENE, {"humanlung": 0.04, "her2st": 0.085, "stnet": 0.14}, {"her2st": 0.065, "stnet": 0.16}),
    ],
)
def test_cucas_comparison_is_on_the_card(
    card: MethodCard, across_splits: dict[str, float], across_slides: dict[str, float]
) -> None:
    """THItoGene's bar across the slides of humanlung is only said to be below 0.02, and is no number."""
    found = {(record.view, record.dataset): record.value for record in card.reproductions}
    assert found == {
        **{("pooled per fold", dataset): value for dataset, value in across_splits.items()},
        **{("per slide", dataset): value for dataset, value in across_slides.items()},
    }
    for record in card.reproductions:
        assert (record.metric, record.target) == ("pearson", "cell_abundance:cell2location")
        assert record.scheme == ("leave-one-patient-out" if record.dataset == "humanlung" else "cuca-4fold")
        types, slides, patients = {"humanlung": (80, 11, 4), "her2st": (39, 36, 8), "stnet": (39, 68, 23)}[
            record.dataset
        ]
        assert record.panel.startswith(f"{types} cell types")
        assert (record.slides, record.patients) == (slides, patients)
        assert ("selected on test" in record.note) == (record.dataset == "humanlung")


def test_hist2sts_tutorial_is_on_the_card() -> None:
    (record,) = HIST2ST.reproductions
    assert (record.dataset, record.target, record.scheme) == ("her2st", "gene_expression", "leave-one-slide-out")
    assert (record.folds, record.metric, record.value) == (("B1",), "pearson", 0.2888)
    assert (record.slides, record.patients) == (32, 7)


@pytest.mark.parametrize("card", [HE2GENE_BASE, HE2GENE_SPAT], ids=lambda card: card.name)
def test_of_he2gene_no_score_is_specified(card: MethodCard) -> None:
    assert card.reproductions == ()
