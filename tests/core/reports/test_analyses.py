"""The analyses' own arithmetic, against values by hand and against a known truth."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import roc_auc_score

from histobench.data import Counts, Prediction, SlideResult, SpotTable, Targets
from histobench.data.panels import Panel
from histobench.data.spatial import colocalise
from histobench.errors import DataError, StoreError
from histobench.reports.analyses.ceiling import split_ceiling, tier_members
from histobench.reports.analyses.colocalisation import slide_pairs
from histobench.reports.analyses.domains import choose_domains, match_domains
from histobench.reports.analyses.findings import Findings
from histobench.reports.analyses.markers import auroc, recovered
from histobench.reports.analyses.writing import write_findings
from histobench.testing import ToyDataset


@pytest.mark.reference
def test_bivariate_moran_of_three_spots() -> None:
    """The worked value of abundance_protocol.md, section 9."""
    weights = sparse.csr_matrix(np.array([[1, 0.5, 0], [0.5, 1, 0.5], [0, 0.5, 1]]))
    found = colocalise(np.array([[1.0, 2.0, 4.0], [0.0, 1.0, 1.0]]), weights * (3 / weights.sum()))
    assert found.r[0, 1] == pytest.approx(0.491354, abs=1e-6)
    assert found.deviation == pytest.approx(0.316228, abs=1e-6)


def test_auroc_agrees_with_scikit_learn() -> None:
    draw = np.random.default_rng(0)
    values, inside = draw.integers(0, 5, (50, 3)).astype(float), draw.random(50) < 0.4
    expected = [roc_auc_score(inside, values[:, column]) for column in range(3)]
    assert auroc(values, inside).tolist() == pytest.approx(expected)


def test_markers_are_the_highest() -> None:
    observed = np.linspace(0, 1, 60)
    assert recovered(observed, observed) == (1.0, 10 / 60)
    assert recovered(observed, observed[::-1]) == (0.0, 10 / 60)


def test_domains_are_found_and_matched() -> None:
    draw = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], 40)
    values = np.eye(3)[truth] * 5 + draw.normal(0, 0.3, (120, 3))
    found = choose_domains(values)
    assert len(np.unique(found)) == 3
    assert (match_domains(found, truth) == truth).all()


def test_more_predicted_domains_than_observed_get_names_of_their_own() -> None:
    matched = match_domains(np.array([0, 0, 1, 1, 2]), np.array([1, 1, 0, 0, 0]))
    assert matched.tolist() == [1, 1, 0, 0, 2]


def test_targets_that_do_not_vary_have_no_relations() -> None:
    values = np.random.default_rng(0).random((20, 4)).astype(np.float32)
    constant = np.ones_like(values)
    result = SlideResult(
        slide_id="s",
        spot_ids=np.array([str(n) for n in range(20)]),
        xy_um=np.random.default_rng(1).random((20, 2)) * 1000,
        predicted=Prediction(names=tuple("abcd"), values=constant),
        observed=Targets(kind="cell_abundance", names=tuple("abcd"), values=values),
    )
    assert slide_pairs(result) is None


def test_a_perfect_prediction_keeps_every_relation() -> None:
    draw = np.random.default_rng(0)
    values = draw.random((40, 4)).astype(np.float32)
    result = SlideResult(
        slide_id="s",
        spot_ids=np.array([str(n) for n in range(40)]),
        xy_um=np.stack(np.divmod(np.arange(40), 8), axis=1) * 200.0,
        predicted=Prediction(names=tuple("abcd"), values=2 * values + 1),
        observed=Targets(kind="cell_abundance", names=tuple("abcd"), values=values),
    )
    found = slide_pairs(result)
    assert found is not None
    names, sides = found
    assert names == tuple("abcd")
    np.testing.assert_allclose(sides["observed"].r, sides["predicted"].r, atol=1e-5)


def _counted(expected: np.ndarray, seed: int) -> SpotTable:
    table = ToyDataset().table(ToyDataset().slides("gene_expression")[0], "gene_expression")
    n, g = expected.shape
    counts = np.random.default_rng(seed).poisson(expected).astype(np.float32)
    return replace(
        table,
        spot_ids=tuple(str(row) for row in range(n)),
        xy_um=np.zeros((n, 2)),
        xy_px=np.zeros((n, 2)),
        array=np.zeros((n, 2), dtype=np.int64),
        counts=Counts(names=tuple(f"g{c}" for c in range(g)), values=counts),
        oracle=None,
    )


@pytest.mark.parametrize("depth", [8.0, 20.0])
def test_count_splitting_finds_what_a_perfect_prediction_scores(depth: float) -> None:
    draw = np.random.default_rng(0)
    expected = depth * np.exp(draw.normal(0, 0.5, (2000, 20)))
    expected *= 20 * depth / expected.sum(axis=1, keepdims=True)  # one depth for all spots
    table = _counted(expected, seed=1)
    assert table.counts is not None
    panel = Panel(kind="gene_expression", names=table.counts.names, unit="toy")
    estimated = split_ceiling(table, SimpleNamespace(panel=panel))  # type: ignore[arg-type]  # all that it looks at
    observed = panel.read(table).values
    perfect = np.log1p(1e4 * expected / expected.sum(axis=1, keepdims=True))
    reached = [np.corrcoef(observed[:, gene], perfect[:, gene])[0, 1] for gene in range(20)]
    # an estimate under the assumptions of Spearman and Brown: the logarithm bends it where counts are few
    assert np.mean(estimated) == pytest.approx(np.mean(reached), abs=0.05)


def test_counts_that_are_not_whole_cannot_be_split() -> None:
    table = _counted(np.ones((10, 3)), seed=0)
    assert table.counts is not None
    halves = replace(table, counts=replace(table.counts, values=table.counts.values + 0.5))
    with pytest.raises(DataError, match="no whole counts to split"):
        split_ceiling(halves, SimpleNamespace(panel=None))  # type: ignore[arg-type]  # is not reached


def test_finer_types_begin_or_end_with_the_coarser_name() -> None:
    fine = ("B-cells Memory", "B-cells Naive", "Cancer Epithelial", "Plasma Cells", "NKT-cells")
    assert tier_members("B-cells", fine) == ["B-cells Memory", "B-cells Naive"]
    assert tier_members("Epithelial", fine) == ["Cancer Epithelial"]
    assert tier_members("Plasma Cells", fine) == ["Plasma Cells"]
    assert tier_members("T-cells", fine) == []


def test_findings_that_cannot_be_written_are_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written to"):
        write_findings(Findings(tables={"t": [{"a": 1.0}]}), tmp_path / "file")


def test_undefined_numbers_are_empty_cells(tmp_path: Path) -> None:
    write_findings(Findings(tables={"t": [{"a": float("nan"), "b": "x"}]}), tmp_path)
    assert (tmp_path / "t.csv").read_text().splitlines() == ["a,b", ",x"]
