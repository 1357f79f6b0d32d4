"""The data types refuse what cannot be, and keep rows together."""

from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histobench.data import (
    Counts,
    LabelledSamples,
    Prediction,
    Samples,
    Slide,
    SlideResult,
    Split,
    SpotTable,
    Targets,
)
from histobench.errors import DataError, LeakageError, ShapeError


def targets(n: int = 3, names: tuple[str, ...] = ("a", "b")) -> Targets:
    values = np.arange(n * len(names), dtype=np.float32).reshape(n, len(names))
    return Targets(kind="cell_abundance", names=names, values=values)


def samples(n: int = 4, **parts: Any) -> Samples:  # Any: columns of different types
    columns: dict[str, Any] = {
        "slide_ids": np.array(["s1"] * (n // 2) + ["s0"] * (n - n // 2)),
        "spot_ids": np.array([f"p{i}" for i in range(n)]),
        "xy_um": np.arange(2 * n, dtype=np.float32).reshape(n, 2),
        "array": np.arange(2 * n).reshape(n, 2),
    }
    return Samples(**{**columns, **parts})


def table(n: int = 3, **parts: Any) -> SpotTable:  # Any: columns of different types
    columns: dict[str, Any] = {
        "slide": Slide(id="C1", patient="her2st:C"),
        "spot_ids": tuple(f"p{i}" for i in range(n)),
        "xy_um": np.zeros((n, 2), dtype=np.float32),
        "xy_px": np.zeros((n, 2), dtype=np.float32),
        "array": np.zeros((n, 2), dtype=np.int64),
    }
    return SpotTable(**{**columns, **parts})


@pytest.mark.parametrize(("make", "field"), [(targets, "values"), (samples, "xy_um"), (table, "slide")])
def test_data_are_frozen(make: Any, field: str) -> None:  # Any: one maker of each type
    with pytest.raises(FrozenInstanceError, match=f"cannot assign to field '{field}'"):
        setattr(make(), field, None)


class TestTargets:
    @pytest.mark.parametrize("shape", [(3,), (3, 1), (3, 3), (3, 2, 1)])
    def test_values_must_be_spots_by_names(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ShapeError, match=r"targets must be \(n_spots, 2\), got"):
            Targets(kind="label", names=("a", "b"), values=np.zeros(shape, dtype=np.float32))

    def test_list_is_no_array(self) -> None:
        with pytest.raises(ShapeError, match=r"targets must be \(n_spots, 1\), got \(1, 1\)"):
            Targets(kind="label", names=("a",), values=[[1.0]])  # type: ignore[arg-type]

    def test_names_do_not_repeat(self) -> None:
        with pytest.raises(ShapeError, match="targets repeat a name: 'b'"):
            targets(names=("a", "b", "b"))

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_values_are_finite(self, value: float) -> None:
        values = np.zeros((2, 2), dtype=np.float32)
        values[1, 1] = value
        with pytest.raises(ShapeError, match=r"targets must be finite, got 1 NaN or infinite values, e\.g\. for 'b'"):
            Targets(kind="label", names=("a", "b"), values=values)

    def test_take_keeps_the_order_asked_for(self) -> None:
        assert targets().take(np.array([2, 0])).values.tolist() == [[4.0, 5.0], [0.0, 1.0]]


class TestCounts:
    def test_counts_are_not_negative(self) -> None:
        with pytest.raises(ShapeError, match="counts must not be negative"):
            Counts(names=("g",), values=np.array([[-1.0]], dtype=np.float32))

    def test_counts_fit_their_genes(self) -> None:
        with pytest.raises(ShapeError, match=r"counts must be \(n_spots, 2\), got \(1, 1\)"):
            Counts(names=("g", "h"), values=np.zeros((1, 1), dtype=np.float32))

    def test_counts_are_finite(self) -> None:
        with pytest.raises(ShapeError, match="counts must be finite"):
            Counts(names=("g",), values=np.array([[np.nan]], dtype=np.float32))

    def test_no_spots_are_no_error(self) -> None:
        assert Counts(names=("g",), values=np.zeros((0, 1), dtype=np.float32)).take(np.array([], int)).values.size == 0


class TestSpotTable:
    def test_a_slide_has_spots(self) -> None:
        with pytest.raises(DataError, match="slide 'C1' has no spots"):
            table(0)

    def test_spots_do_not_repeat(self) -> None:
        with pytest.raises(DataError, match="slide 'C1': spot 'x' is in the table twice"):
            table(3, spot_ids=("x", "y", "x"))

    @pytest.mark.parametrize("column", ["xy_um", "xy_px", "array"])
    def test_columns_have_one_row_a_spot(self, column: str) -> None:
        with pytest.raises(ShapeError, match=rf"{column} must be \(3, 2\), got \(2, 2\)"):
            table(3, **{column: np.zeros((2, 2))})

    @pytest.mark.parametrize("part", ["targets", "oracle"])
    def test_values_have_one_row_a_spot(self, part: str) -> None:
        with pytest.raises(ShapeError, match=f"slide 'C1': {part} must have 3 rows, got 2"):
            table(3, **{part: targets(2)})


def slides(*ids: str, patient: str | None = None) -> tuple[Slide, ...]:
    """Make slides; the patient is the id's first letter unless given."""
    return tuple(Slide(id=name, patient=patient or name[0]) for name in ids)


class TestSplit:
    def test_patients_on_both_sides_are_refused_by_name(self) -> None:
        with pytest.raises(LeakageError) as caught:
            Split(fold="2", train=slides("C1", "C2", "D1"), val=(), test=slides("C3"))
        assert str(caught.value) == "fold 2: patient 'C' has slides in both train ('C1', 'C2') and test ('C3')."

    @pytest.mark.parametrize(
        ("train", "val", "test", "sides"),
        [
            (("A1",), (), ("A1",), "train and test"),
            (("A1",), ("B1",), ("B1",), "val and test"),
            (("A1",), ("A1",), ("B1",), "train and val"),
        ],
    )
    def test_one_slide_never_stands_on_two_sides(
        self, train: tuple[str, ...], val: tuple[str, ...], test: tuple[str, ...], sides: str
    ) -> None:
        with pytest.raises(LeakageError, match=f"is in both {sides}"):
            Split(fold="0", train=slides(*train), val=slides(*val), test=slides(*test), shares_patients=True)

    def test_patient_of_validation_is_held_out_too(self) -> None:
        with pytest.raises(LeakageError, match="patient 'B' has slides in both val"):
            Split(fold="0", train=slides("A1"), val=slides("B1"), test=slides("B2"))

    def test_shared_patients_may_be_asked_for(self) -> None:
        split = Split(fold="0", train=slides("A1"), val=(), test=slides("A2"), shares_patients=True)
        assert split.shares_patients

    def test_train_and_test_are_not_empty(self) -> None:
        with pytest.raises(DataError, match="fold 0: no train slides"):
            Split(fold="0", train=(), val=(), test=slides("A1"))
        with pytest.raises(DataError, match="fold 0: no test slides"):
            Split(fold="0", train=slides("A1"), val=(), test=())


class TestSamples:
    @pytest.mark.parametrize(
        ("part", "value", "message"),
        [
            ("slide_ids", np.array(["s"]), r"slide_ids must be \(4,\), got \(1,\)"),
            ("xy_um", np.zeros((4, 3)), r"xy_um must be \(4, 2\), got \(4, 3\)"),
            ("array", np.zeros(4, int), r"array must be \(4, 2\), got \(4,\)"),
            ("embeddings", np.zeros(4), r"embeddings must be \(4, d\), got \(4,\)"),
            ("embeddings", np.zeros((3, 2)), "embeddings must have 4 rows, got 3"),
            ("patches", np.zeros((3, 8, 8, 3), np.uint8), "patches must have 4 rows, got 3"),
            ("oracle", targets(3), "oracle must have 4 rows, got 3"),
            (
                "counts",
                Counts(names=("g",), values=np.zeros((3, 1), dtype=np.float32)),
                "counts must have 4 rows, got 3",
            ),
        ],
    )
    def test_columns_of_different_length_are_refused(self, part: str, value: object, message: str) -> None:
        with pytest.raises(ShapeError, match=message):
            samples(4, **{part: value})

    def test_samples_have_no_place_for_targets(self) -> None:
        with pytest.raises(TypeError, match="unexpected keyword argument 'targets'"):
            samples(4, targets=targets(4))

    def test_slides_come_in_the_order_of_first_appearance(self) -> None:
        assert [(name, rows.tolist()) for name, rows in samples(4).by_slide()] == [("s1", [0, 1]), ("s0", [2, 3])]

    @given(st.lists(st.integers(0, 5), max_size=8))
    def test_take_keeps_rows_together(self, rows: list[int]) -> None:
        whole = samples(
            6,
            embeddings=np.arange(12, dtype=np.float32).reshape(6, 2),
            patches=np.arange(6 * 12, dtype=np.uint8).reshape(6, 2, 2, 3),
            oracle=targets(6),
            lattice="hex",
        )
        part = whole.take(np.array(rows, dtype=np.int64))
        assert len(part) == len(rows)
        assert part.spot_ids.tolist() == [f"p{row}" for row in rows]
        for column in ("xy_um", "array", "embeddings", "patches"):
            assert np.array_equal(getattr(part, column), getattr(whole, column)[rows])
        assert part.oracle is not None
        assert np.array_equal(part.oracle.values, targets(6).values[rows])
        assert part.lattice == "hex"

    @given(st.lists(st.sampled_from("abc"), max_size=12))
    def test_by_slide_gives_each_row_once(self, names: list[str]) -> None:
        n = len(names)
        whole = samples(n, slide_ids=np.array(names, dtype=np.str_))
        found = [row for _, rows in whole.by_slide() for row in rows.tolist()]
        assert sorted(found) == list(range(n))
        assert all(set(np.array(names)[rows]) == {name} for name, rows in whole.by_slide())


class TestLabelledSamples:
    def labelled(self, **parts: Any) -> LabelledSamples:  # Any: columns of different types
        bare = samples(4)
        columns = {name: getattr(bare, name) for name in ("slide_ids", "spot_ids", "xy_um", "array")}
        return LabelledSamples(**{**columns, "targets": targets(4), **parts})

    def test_targets_have_one_row_a_spot(self) -> None:
        with pytest.raises(ShapeError, match="targets must have 4 rows, got 3"):
            self.labelled(targets=targets(3))

    def test_what_is_beside_the_targets_has_one_row_a_spot(self) -> None:
        with pytest.raises(ShapeError, match="side target 'label' must have 4 rows, got 3"):
            self.labelled(beside={"label": targets(3)})

    def test_totals_have_one_row_a_spot(self) -> None:
        with pytest.raises(ShapeError, match=r"totals must be \(4,\), got \(3,\)"):
            self.labelled(totals=np.zeros(3))

    def test_patients_have_one_row_a_spot(self) -> None:
        with pytest.raises(ShapeError, match=r"patients must be \(4,\), got \(3,\)"):
            self.labelled(patients=np.array(["p", "p", "q"]))

    def test_columns_are_checked_as_those_of_samples_are(self) -> None:
        with pytest.raises(ShapeError, match="xy_um must be"):
            self.labelled(xy_um=np.zeros((3, 2)))

    def test_take_keeps_targets_with_their_spots(self) -> None:
        part = self.labelled(beside={"label": targets(4, ("g",))}, patients=np.array(list("pqrs"))).take(
            np.array([3, 1])
        )
        assert isinstance(part, LabelledSamples)
        assert part.targets.values.tolist() == [[6.0, 7.0], [2.0, 3.0]]
        assert part.beside["label"].values.tolist() == [[3.0], [1.0]]
        assert part.patients is not None
        assert part.patients.tolist() == ["s", "q"]
        assert part.spot_ids.tolist() == ["p3", "p1"]


class TestPrediction:
    def test_column_for_one_target_is_refused_at_once(self) -> None:
        with pytest.raises(ShapeError, match=r"prediction must be \(n_spots, 1\), got \(612,\)"):
            Prediction(names=("a",), values=np.zeros(612, dtype=np.float32))

    def test_nan_is_refused_and_its_target_named(self) -> None:
        with pytest.raises(
            ShapeError, match=r"prediction must be finite, got 2 NaN or infinite values, e\.g\. for 'b'"
        ):
            Prediction(names=("a", "b"), values=np.array([[0, np.nan], [0, np.nan]], dtype=np.float32))

    def test_other_spots_or_targets_are_refused(self) -> None:
        prediction = Prediction(names=("a", "b"), values=np.zeros((3, 2), dtype=np.float32))
        prediction.check_against(3, ("a", "b"))
        with pytest.raises(ShapeError, match=r"prediction must be \(4, 2\), got \(3, 2\)"):
            prediction.check_against(4, ("a", "b"))
        with pytest.raises(ShapeError, match="prediction names 'b' where the task has 'c'"):
            prediction.check_against(3, ("a", "c"))


class TestSlideResult:
    def result(self) -> SlideResult:
        return SlideResult(
            slide_id="C1",
            spot_ids=np.array(["p0", "p1", "p2"]),
            xy_um=np.zeros((3, 2), dtype=np.float32),
            predicted=Prediction(names=("a", "b"), values=np.zeros((3, 2), dtype=np.float32)),
            observed=targets(3),
        )

    def test_prediction_and_observation_stand_side_by_side(self) -> None:
        assert self.result().predicted.names == self.result().observed.names

    def test_places_have_one_row_a_spot(self) -> None:
        with pytest.raises(ShapeError, match=r"xy_um must be \(3, 2\), got \(2, 2\)"):
            replace(self.result(), xy_um=np.zeros((2, 2)))

    def test_observation_has_one_row_a_spot(self) -> None:
        with pytest.raises(ShapeError, match="observed must have 3 rows, got 2"):
            replace(self.result(), observed=targets(2))

    def test_prediction_of_other_targets_is_refused(self) -> None:
        with pytest.raises(ShapeError, match="prediction names 'a' where the task has 'c'"):
            replace(self.result(), observed=targets(3, ("c", "b")))
