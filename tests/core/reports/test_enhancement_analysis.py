"""Markers of groups of spots, and how well a gene tells one group from the others."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from histobench.data import Prediction, SlideResult, Targets
from histobench.reports.analyses.domains import choose_domains
from histobench.reports.analyses.enhancement import _draw_violins, autocorrelation, choose_markers, contrast

GENES = ("A", "B", "C", "D", "E")
GROUPS = np.array(["tumour"] * 10 + ["stroma"] * 10 + [""] * 4)


def expression() -> np.ndarray:
    values = np.random.default_rng(0).normal(2.0, 0.1, (len(GROUPS), len(GENES))).astype(np.float32)
    values[GROUPS == "tumour", :2] += 3.0
    values[GROUPS == "stroma", 2:4] += 3.0
    values[GROUPS == "", 4] += 9.0
    return values


def test_each_group_has_the_genes_that_are_its_own() -> None:
    chosen = dict(choose_markers(expression(), GENES, GROUPS))
    assert chosen == {"A": "tumour", "B": "tumour", "C": "stroma", "D": "stroma"}


def test_a_single_group_has_no_markers() -> None:
    assert choose_markers(expression(), GENES, np.full(len(GROUPS), "tumour")) == []


def test_contrast_is_the_area_under_the_curve_of_annotated_spots() -> None:
    values = np.random.default_rng(1).normal(size=len(GROUPS)) + (GROUPS == "tumour")
    known = GROUPS != ""
    assert contrast(values, GROUPS, "tumour") == pytest.approx(roc_auc_score(GROUPS[known] == "tumour", values[known]))


def test_a_gene_that_never_varies_has_no_contrast() -> None:
    assert np.isnan(contrast(np.ones(len(GROUPS)), GROUPS, "tumour"))


@pytest.mark.parametrize("spots", [1, 2, 3, 5])
def test_hardly_a_spot_makes_hardly_a_domain(spots: int) -> None:
    found = choose_domains(expression()[8 : 8 + spots])
    assert len(found) == spots
    assert len(np.unique(found)) <= max(spots - 1, 1)


def test_autocorrelation_of_a_board_and_of_two_halves_is_counted_by_hand() -> None:
    places = np.stack(np.meshgrid(np.arange(4), np.arange(4)), axis=-1).reshape(-1, 2) * 100.0
    columns, rows = (places / 100).astype(int).T
    # 24 links straight, which a board's colours change along, and 18 across, along which they do not
    links = [(a, b) for a in range(16) for b in range(a) if 0 < np.linalg.norm(places[a] - places[b]) < 150]
    assert len(links) == 42
    halves, board = np.where(columns < 2, 1.0, -1.0), np.where((columns + rows) % 2 == 0, 1.0, -1.0)
    assert autocorrelation(board, places) == pytest.approx((18 - 24) / 42)
    assert autocorrelation(halves, places) == pytest.approx(sum(halves[a] * halves[b] for a, b in links) / 42)
    assert np.isnan(autocorrelation(np.ones(16), places))


def test_violins_of_raw_and_enhanced_expression_are_side_by_side() -> None:
    result = SlideResult(
        slide_id="s",
        spot_ids=np.arange(len(GROUPS)).astype(str),
        xy_um=np.zeros((len(GROUPS), 2)),
        predicted=Prediction(names=GENES, values=expression() / 2),
        observed=Targets(kind="enhance", names=GENES, values=expression()),
    )
    figure = _draw_violins(result, GROUPS, [("A", "tumour"), ("C", "stroma")], title="$s$")
    labels = [label.get_text() for axes in figure.axes for label in axes.get_xticklabels()]
    shown = [label for label in labels if "," in label]
    assert shown == ["stroma, raw", "stroma, enhanced", "tumour, raw", "tumour, enhanced"]
