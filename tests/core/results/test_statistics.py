"""From records to standings."""

import json
import math

import numpy as np
import pytest

from histobench.results.records import PanelRecord
from histobench.results.statistics import FEW_UNITS, Comparison, mean_intervals, rows, standings

PATIENTS = "ABCDEFGH"


@pytest.fixture
def fold_by_fold(make_record):
    """A function that makes one record per patient, each with one slide and one target."""

    def make(scores, **job):
        return [make_record({f"{p}1": [s]}, fold=p, **job) for p, s in zip(PATIENTS, scores, strict=False)]

    return make


def _only(boards):
    (board,) = boards
    return board


def _row(board, method):
    (row,) = [row for row in board.rows if row.method == method]
    return row


# averaging


def test_targets_then_slides_then_patients_are_averaged(make_record):
    records = [
        make_record({"A1": [0.2, 0.4], "A2": [0.6, 0.8], "A3": [0.1, 0.1]}, fold="A"),
        make_record({"B1": [1.0, 0.8]}, fold="B"),
    ]
    row = _only(standings(records, "pearson")).rows[0]
    assert row.per_unit == pytest.approx({"A": (0.3 + 0.7 + 0.1) / 3, "B": 0.9})
    assert row.score == pytest.approx(((0.3 + 0.7 + 0.1) / 3 + 0.9) / 2)
    assert row.unit == "patients"


def test_undefined_scores_are_left_out_and_counted(make_record):
    records = [
        make_record({"A1": [0.5, math.nan], "A2": [math.nan, math.nan]}, fold="A"),
        make_record({"B1": [0.7, 0.9]}, fold="B"),
    ]
    row = _only(standings(records, "pearson")).rows[0]
    assert row.per_unit == pytest.approx({"A": 0.5, "B": 0.8})
    assert (row.undefined, row.total) == (3, 6)


def test_seeds_are_averaged_within_a_slide(make_record):
    records = [make_record({"A1": [s], "A2": [0.0]}, fold="A", seed=i) for i, s in enumerate([0.2, 0.4, 0.9])]
    row = _only(standings(records, "pearson")).rows[0]
    assert row.per_unit == pytest.approx({"A1": 0.5, "A2": 0.0})
    assert row.n_seeds == 3


def test_slides_are_the_unit_of_a_single_patient(make_record):
    board = _only(standings([make_record({"A1": [0.1], "A2": [0.3]})], "pearson"))
    assert board.unit == "slides"
    assert board.rows[0].n_units == 2


def test_pooled_scores_stand_beside(make_record):
    row = _only(standings([make_record({"A1": [0.1, math.nan], "A2": [0.3, 0.3]})], "pearson")).rows[0]
    assert row.pooled == pytest.approx(0.1)  # the factory pools by taking the first slide


def test_cost_is_the_mean_time_and_the_largest_memory(make_record):
    records = [
        make_record({"A1": [0.1]}, fold="A", record={"seconds": {"fit": 1.0, "predict": 1.0}}),
        make_record({"B1": [0.1]}, fold="B", record={"seconds": {"fit": 5.0}, "peak_memory_mb": {"ram": 900.0}}),
    ]
    row = _only(standings(records, "pearson")).rows[0]
    assert row.seconds == pytest.approx(3.5)
    assert row.peak_memory_mb == {"ram": 900.0}


# intervals


def test_interval_holds_the_mean_and_narrows_with_units():
    rng = np.random.default_rng(0)
    few, many = rng.normal(size=6), rng.normal(size=60)
    (narrow,), (wide,) = mean_intervals([many]), mean_intervals([few])
    assert wide.low < few.mean() < wide.high
    assert narrow.high - narrow.low < wide.high - wide.low


def test_interval_is_that_of_the_normal_law_where_there_are_many_units():
    values = np.random.default_rng(1).normal(2.0, 3.0, 400)
    (interval,) = mean_intervals([values])
    error = values.std() / math.sqrt(400)
    assert interval.low == pytest.approx(values.mean() - 1.96 * error, abs=0.1 * error)
    assert interval.high == pytest.approx(values.mean() + 1.96 * error, abs=0.1 * error)


def test_intervals_are_repeatable_and_depend_on_the_seed():
    values = [[0.1, 0.5, 0.2, 0.9, 0.4, 0.33, 0.71]]
    assert mean_intervals(values) == mean_intervals(values)
    assert mean_intervals(values, seed=1) != mean_intervals(values)


def test_rows_are_resampled_alike():
    values = np.random.default_rng(0).normal(size=7)
    one, shifted = mean_intervals([values, values + 1])
    assert shifted.low == pytest.approx(one.low + 1)


def test_many_rows_give_what_single_rows_give():
    values = np.random.default_rng(0).normal(size=(300, 4))
    together = mean_intervals(values)
    assert together[299].high == pytest.approx(mean_intervals(values[299:])[0].high)


def test_one_unit_has_no_interval(make_record):
    board = _only(standings([make_record({"A1": [0.1]})], "pearson"))
    assert math.isnan(board.rows[0].low)
    assert "one slide only: there is no interval, and no difference can be tested." in board.warnings


def test_few_units_are_warned_of(fold_by_fold):
    board = _only(standings(fold_by_fold([0.1, 0.2]), "pearson"))
    assert board.warnings == (
        "2 patients only: intervals are not reliable, no difference is clear, no rank is excluded.",
    )


def test_enough_units_are_not_warned_of(fold_by_fold):
    assert _only(standings(fold_by_fold([0.1] * FEW_UNITS), "pearson")).warnings == ()


# controls


def test_skill_is_paired_on_the_same_patients(fold_by_fold):
    base = np.array([0.1, 0.5, 0.9, 0.3, 0.7, 0.2])
    records = fold_by_fold(base, method="position", control=True) + fold_by_fold(base + 0.05)
    comparison = _row(_only(standings(records, "pearson")), "ridge").best_control
    assert comparison.other == "position"
    assert (comparison.difference, comparison.low, comparison.high) == pytest.approx((0.05, 0.05, 0.05))
    assert comparison.is_clear


def test_a_method_under_its_control_is_marked(fold_by_fold):
    records = fold_by_fold([0.3, 0.3], method="position", control=True) + fold_by_fold([0.1, 0.2])
    assert _row(_only(standings(records, "pearson")), "ridge").beats_controls is False


def test_the_hardest_control_decides(fold_by_fold):
    records = (
        fold_by_fold([0.3, 0.3], method="position", control=True)
        + fold_by_fold([0.1, 0.1], method="colour", control=True)
        + fold_by_fold([0.2, 0.2])
    )
    row = _row(_only(standings(records, "pearson")), "ridge")
    assert row.best_control.other == "position"
    assert {comparison.other for comparison in row.skill} == {"position", "colour"}


def test_for_errors_the_smaller_is_better(fold_by_fold):
    records = fold_by_fold([1.0, 1.0], method="mean", control=True, higher_is_better=False) + fold_by_fold(
        [0.4, 0.6], higher_is_better=False
    )
    board = _only(standings(records, "pearson"))
    assert [row.method for row in board.rows] == ["ridge", "mean"]
    assert _row(board, "ridge").best_control.difference == pytest.approx(0.5)
    assert _row(board, "ridge").beats_controls


def test_an_undefined_control_stays_undefined_and_decides_nothing(fold_by_fold):
    records = fold_by_fold([math.nan, math.nan], method="mean", control=True) + fold_by_fold([0.1, 0.2])
    board = _only(standings(records, "pearson"))
    assert math.isnan(_row(board, "mean").score)
    assert board.rows[-1].method == "mean"
    assert _row(board, "ridge").beats_controls is None


def test_the_oracle_is_a_ceiling_and_no_control_to_be_beaten(fold_by_fold):
    records = fold_by_fold([0.9, 0.9], method="oracle", control=True, oracle=True) + fold_by_fold([0.1, 0.2])
    board = _only(standings(records, "pearson"))
    assert _row(board, "ridge").skill == ()
    assert _row(board, "oracle").rank is None
    assert _row(board, "ridge").rank == 1


def test_only_shared_units_are_compared(fold_by_fold):
    records = fold_by_fold([0.0, 0.9], method="position", control=True) + fold_by_fold([0.1])
    comparison = _row(_only(standings(records, "pearson")), "ridge").best_control
    assert (comparison.n_units, comparison.difference) == (1, pytest.approx(0.1))


@pytest.mark.parametrize(("p_holm", "clear"), [(0.04, True), (0.05, True), (0.06, False), (math.nan, False)])
def test_a_difference_is_clear_by_its_corrected_p(p_holm, clear):
    comparison = Comparison(one="x", other="y", difference=0.2, low=0.1, high=0.3, n_units=9, p=0.001, p_holm=p_holm)
    assert comparison.is_clear is clear


# ranks


def test_ranks_carry_their_range(fold_by_fold):
    base = np.linspace(0.1, 0.8, 8)
    noise = np.array([0.2, -0.2] * 4)
    records = (
        fold_by_fold(base, method="low")
        + fold_by_fold(base + 0.001 + noise, method="alike")
        + fold_by_fold(base + 0.5, method="high")
    )
    board = _only(standings(records, "pearson"))
    assert {row.method: (row.rank, row.rank_range) for row in board.rows} == {
        "high": (1, (1, 1)),
        "alike": (2, (2, 3)),
        "low": (3, (2, 3)),
    }


def test_equal_scores_share_a_rank(fold_by_fold):
    board = _only(standings(fold_by_fold([0.5, 0.5], method="a") + fold_by_fold([0.5, 0.5], method="b"), "pearson"))
    assert [row.rank for row in board.rows] == [1, 1]


def test_a_row_that_misses_slides_has_no_rank(fold_by_fold):
    board = _only(standings(fold_by_fold([0.5, 0.5], method="a") + fold_by_fold([0.9], method="b"), "pearson"))
    assert _row(board, "b").rank is None
    assert _row(board, "a").rank == 1
    assert "methods without a score on every slide of the board have no rank." in board.warnings


# what is averaged and what is ranked together


@pytest.mark.parametrize(
    "job",
    [
        {"dataset": "other"},
        {"target": "cell_abundance:major"},
        {"scheme": "leave-one-slide-out", "leaks": True},
        {"edition": "e1"},
        {"versions": {"dataset": "histobench:toy 0.1.0 revision 2"}},
        {"panel": PanelRecord(hash="p1", unit="cells per spot")},
        {"panel": PanelRecord(hash="p0", unit="cells per spot", fitted_on=("Z1",))},
    ],
    ids=lambda job: next(iter(job)),
)
def test_what_is_not_comparable_is_on_a_board_of_its_own(fold_by_fold, job):
    boards = standings(fold_by_fold([0.1, 0.2]) + fold_by_fold([0.1, 0.2], method="cuca", **job), "pearson")
    assert [len(board.rows) for board in boards] == [1, 1]


def test_panels_fitted_per_fold_are_one_board(make_record):
    records = [
        make_record({f"{p}1": [0.1]}, fold=p, method=m, panel=PanelRecord(hash=p, unit="log", fitted_on=("Z1",)))
        for p in "AB"
        for m in ("ridge", "cuca")
    ]
    board = _only(standings(records, "pearson"))
    assert board.panel == "fitted per fold"
    assert [len(row.per_unit) for row in board.rows] == [2, 2]


def test_panels_that_differ_within_a_fold_are_two_boards(make_record):
    records = [
        make_record({"A1": [0.1]}, method=m, panel=PanelRecord(hash=m, unit="log", fitted_on=("Z1",)))
        for m in ("ridge", "cuca")
    ]
    assert len(standings(records, "pearson")) == 2


def test_folds_of_other_test_slides_are_two_boards(make_record):
    records = [make_record({"A1": [0.1]}), make_record({"A1": [0.1], "A2": [0.1]}, method="cuca")]
    assert len(standings(records, "pearson")) == 2


@pytest.mark.parametrize(
    "job",
    [
        {"options": {"epochs": 2}},
        {"precision": "bf16-mixed"},
        {"stands_in_for": "virchow2"},
        {"encoder": "vit-tiny", "mode": "full"},
        {"weights": "abc"},
        {"versions": {"dataset": "histobench:toy 0.1.0 revision 1", "method": "histobench:heads 0.1.0 revision 2"}},
    ],
    ids=lambda job: next(iter(job)),
)
def test_another_configuration_is_a_row_of_its_own(fold_by_fold, job):
    board = _only(standings(fold_by_fold([0.1, 0.2]) + fold_by_fold([0.1, 0.2], **job), "pearson"))
    assert len(board.rows) == 2


def test_device_threads_and_distribution_version_are_averaged(make_record):
    versions = {"dataset": "histobench:toy 0.9.0 revision 1"}
    records = [
        make_record({"A1": [0.2]}, fold="A"),
        make_record({"B1": [0.4]}, fold="B", device="cuda:0", threads=8, versions=versions),
    ]
    assert len(_only(standings(records, "pearson")).rows) == 1


def test_rows_that_differ_in_options_name_the_difference(fold_by_fold):
    records = fold_by_fold([0.1], options={"epochs": 2, "lr": 1}) + fold_by_fold([0.1], options={"epochs": 9, "lr": 1})
    assert sorted(row.label for row in _only(standings(records, "pearson")).rows) == [
        "ridge [epochs=2]",
        "ridge [epochs=9]",
    ]


# failures and gaps


def test_failed_folds_are_counted(make_record, fold_by_fold):
    failed = make_record({}, fold="B", record={"status": "failed", "error": "the loss is NaN"}, panel=None)
    row = _only(standings([*fold_by_fold([0.1]), failed], "pearson")).rows[0]
    assert (row.folds_done, row.folds_failed) == (("A",), ("B",))
    assert row.failed_job_ids == (failed.job_id,)


def test_a_configuration_that_only_failed_is_an_undefined_row(make_record, fold_by_fold):
    failed = make_record({}, fold="A", method="cuca", record={"status": "failed"}, panel=None)
    board = _only(standings([*fold_by_fold([0.1, 0.2]), failed], "pearson"))
    assert board.rows[-1].method == "cuca"
    assert math.isnan(board.rows[-1].score)


def test_failures_alone_make_no_board(make_record):
    assert standings([make_record({}, record={"status": "failed"}, panel=None)], "pearson") == []


def test_no_records_make_no_board():
    assert standings([], "pearson") == []


def test_jobs_without_the_metric_are_named(make_record):
    records = [make_record({"A1": [0.1]}, fold="A"), make_record({"mae": {"B1": [0.1]}}, fold="B")]
    board = _only(standings(records, "pearson"))
    assert board.unscored == (records[1].job_id,)
    assert any("1 finished jobs have no score under 'pearson'" in warning for warning in board.warnings)


def test_jobs_that_can_have_no_score_are_told_why_and_not_sent_to_score(make_record):
    passed_over = {"pearson": "the spots are not annotated"}
    records = [
        make_record({"A1": [0.1]}, fold="A"),
        make_record({"mae": {"B1": [0.1]}}, fold="B", record={"passed_over": passed_over}),
    ]
    board = _only(standings(records, "pearson"))
    assert board.unscored == ()
    assert board.passed_over == {records[1].job_id: "the spots are not annotated"}
    told = [warning for warning in board.warnings if "score under 'pearson'" in warning]
    assert told == ["1 finished jobs cannot have a score under 'pearson': the spots are not annotated."]


def test_a_metric_that_can_be_gamed_says_how_on_its_board(make_record):
    record = make_record({"A1": [0.1]})
    gamed = record.scores["pearson"].model_copy(update={"gamed_by": "predicting nothing"})
    board = _only(standings([record.model_copy(update={"scores": {"pearson": gamed}})], "pearson"))
    assert "'pearson' can be reached by predicting nothing, without knowing the spots: its order is not a ranking." in (
        board.warnings
    )


def test_a_leaking_scheme_is_warned_of(fold_by_fold):
    board = _only(standings(fold_by_fold([0.1] * 6, scheme="leave-one-slide-out", leaks=True), "pearson"))
    (warning,) = board.warnings
    assert warning == "scheme 'leave-one-slide-out' leaks: slides of one patient are in both training and test."
    assert board.rows[0].leaks


def test_each_kind_is_ranked_by_its_own_metric(make_record):
    records = [
        make_record({"A1": [0.1]}),
        make_record({"recall": {"A1": [0.5]}}, target="label", kind="label"),
    ]
    assert [board.metric for board in standings(records, None)] == ["pearson", "recall"]


def test_order_of_records_does_not_matter(fold_by_fold):
    records = fold_by_fold([0.3, 0.4], method="position", control=True) + fold_by_fold([0.1, 0.2])
    assert repr(standings(records, "pearson")) == repr(standings(records[::-1], "pearson"))  # NaN is not NaN


# rows


def test_rows_are_plain_and_undefined_numbers_are_none(fold_by_fold):
    records = fold_by_fold([math.nan, math.nan], method="mean", control=True) + fold_by_fold([0.1, 0.2])
    flat = rows(_only(standings(records, "pearson")))
    assert json.loads(json.dumps(flat, allow_nan=False)) == flat
    assert [row["method"] for row in flat] == ["ridge", "mean"]
    assert flat[1]["score"] is None
    assert flat[0]["score"] == pytest.approx(0.15)
    assert flat[0]["rank"] == 1


def test_a_hundred_configurations_on_twenty_patients_rank_in_seconds(make_record):
    rng = np.random.default_rng(0)
    records = [
        make_record({f"{chr(65 + p)}1": [float(rng.normal())]}, fold=str(p), method=f"method-{m}")
        for m in range(100)
        for p in range(20)
    ]
    board = _only(standings(records, "pearson"))
    assert [row.rank for row in board.rows] == list(range(1, 101))
