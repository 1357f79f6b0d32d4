"""Panels are fitted on training slides alone; counts are normalised over all genes before any is chosen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from histobench.data import Counts, Float, Slide, SpotTable, Targets
from histobench.data.panels import GENES_IN_PANEL, Panel, fit_panel, log_normalise
from histobench.errors import DataError


def table(name: str, *, counts: Counts | None = None, targets: Targets | None = None) -> SpotTable:
    rows = counts or targets
    n = 2 if rows is None else len(rows.values)
    return SpotTable(
        slide=Slide(id=name, patient=name),
        spot_ids=tuple(f"p{i}" for i in range(n)),
        xy_um=np.zeros((n, 2), dtype=np.float32),
        xy_px=np.zeros((n, 2), dtype=np.float32),
        array=np.stack([np.arange(n), np.zeros(n, dtype=np.int64)], axis=1),
        counts=counts,
        targets=targets,
    )


def counted(name: str, genes: dict[str, list[float]]) -> SpotTable:
    values = np.array(list(genes.values()), dtype=np.float32).T
    return table(name, counts=Counts(names=tuple(genes), values=values))


def cells(*names: str) -> Targets:
    return Targets(kind="cell_abundance", names=names, values=np.ones((2, len(names)), dtype=np.float32))


class TestLogNormalise:
    def test_worked_value(self) -> None:
        normalised = log_normalise(np.array([[1, 3], [0, 0]], dtype=np.float32))
        assert normalised[0] == pytest.approx([np.log1p(2500.0), np.log1p(7500.0)])

    def test_spot_without_counts_stays_zero(self) -> None:
        assert log_normalise(np.zeros((1, 3), dtype=np.float32)).tolist() == [[0.0, 0.0, 0.0]]

    @given(
        npst.arrays(np.float32, (3, 5), elements=st.integers(0, 1000).map(float)),
        st.integers(2, 50),
    )
    def test_sequencing_depth_drops_out(self, counts: Float, depth: int) -> None:
        np.testing.assert_allclose(log_normalise(counts * depth), log_normalise(counts), rtol=1e-5)

    @given(npst.arrays(np.float32, (3, 5), elements=st.integers(0, 1000).map(float)))
    def test_spots_add_up_to_ten_thousand(self, counts: Float) -> None:
        totals = np.expm1(log_normalise(counts).astype(np.float64)).sum(axis=1)
        np.testing.assert_allclose(totals, np.where(counts.sum(axis=1) > 0, 1e4, 0.0), rtol=1e-4)


class TestGenes:
    def test_genes_of_highest_mean_come_first(self) -> None:
        panel = fit_panel("gene_expression", [counted("s", {"LOW": [1, 1], "HIGH": [9, 9]})], unit="u")
        assert panel.names == ("HIGH", "LOW")
        assert panel.fitted_on == ("s",)

    def test_no_more_than_the_published_number(self) -> None:
        genes = {f"G{i:03d}": [float(i + 1)] * 2 for i in range(GENES_IN_PANEL + 10)}
        panel = fit_panel("gene_expression", [counted("s", genes)], unit="u")
        assert len(panel.names) == GENES_IN_PANEL == 250
        assert panel.names[0] == "G259"
        assert "G009" not in panel.names

    def test_ties_go_by_name(self) -> None:
        panel = fit_panel("gene_expression", [counted("s", {"B": [1, 1], "A": [1, 1]})], unit="u")
        assert panel.names == ("A", "B")

    def test_gene_absent_from_a_slide_counts_zero_there(self) -> None:
        both = [counted("s", {"A": [5, 5], "B": [4, 4]}), counted("t", {"B": [9, 9]})]
        panel = fit_panel("gene_expression", both, unit="u")
        assert panel.names == ("B", "A")
        assert panel.read(both[1]).values[:, 1].tolist() == [0.0, 0.0]

    def test_mean_is_over_spots_not_slides(self) -> None:
        many = counted("s", {"A": [9] * 6, "B": [1] * 6})
        few = counted("t", {"A": [1], "B": [9]})
        assert fit_panel("gene_expression", [many, few], unit="u").names == ("A", "B")

    def test_genes_outside_the_panel_count_in_the_normalisation(self) -> None:
        panel = Panel(kind="gene_expression", names=("A",), unit="u")
        read = panel.read(counted("s", {"A": [1, 1], "B": [3, 0]}))
        assert read.values[:, 0] == pytest.approx([np.log1p(2500.0), np.log1p(1e4)])

    def test_slide_without_counts_is_named(self) -> None:
        with pytest.raises(DataError, match="slide 's' has no counts, so no genes can be chosen on it"):
            fit_panel("gene_expression", [table("s")], unit="u")


class TestFixedColumns:
    def test_cell_types_are_taken_as_the_dataset_fixes_them(self) -> None:
        panel = fit_panel("cell_abundance", [table("s", targets=cells("t-cell", "b-cell"))], unit="cells")
        assert panel.names == ("t-cell", "b-cell")
        assert panel.fitted_on == ()

    def test_slide_without_targets_is_named(self) -> None:
        with pytest.raises(DataError, match="slide 's' has no cell_abundance to read"):
            fit_panel("cell_abundance", [table("s")], unit="cells")
        panel = Panel(kind="label", names=("a",), unit="class")
        with pytest.raises(DataError, match="slide 's' has no label to read"):
            panel.read(table("s", targets=cells("a")))

    def test_slide_with_other_columns_is_named(self) -> None:
        panel = Panel(kind="cell_abundance", names=("a", "b"), unit="cells")
        with pytest.raises(DataError, match="slide 's' has other cell_abundance columns than the panel"):
            panel.read(table("s", targets=cells("b", "a")))


class TestHash:
    PANEL = Panel(kind="label", names=("a", "b"), unit="u")

    @pytest.mark.parametrize(
        "other",
        [
            Panel(kind="cell_abundance", names=("a", "b"), unit="u"),
            Panel(kind="label", names=("b", "a"), unit="u"),
            Panel(kind="label", names=("a", "b"), unit="v"),
            Panel(kind="label", names=("a",), unit="u"),
        ],
    )
    def test_kind_names_order_and_unit_matter(self, other: Panel) -> None:
        assert other.hash != self.PANEL.hash

    def test_slides_that_led_to_the_same_columns_do_not(self) -> None:
        assert Panel(kind="label", names=("a", "b"), unit="u", fitted_on=("s",)).hash == self.PANEL.hash
