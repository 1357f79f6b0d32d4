"""Markers of groups of spots, and how well a gene tells one group from the others."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from histobench.analyses.domains import choose_domains
from histobench.analyses.enhancement import choose_markers, contrast

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
