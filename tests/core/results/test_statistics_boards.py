"""What a board claims: pairs, ties, corrected p, skill and its warnings."""

import json
import math

import numpy as np
import pytest

from histobench.results.statistics import ALPHA, gallery_told, pair_rows, rows, standings, task_told
from histobench.results.statistics.paired import holm
from histobench.study.judge import JUDGED

PATIENTS = "ABCDEFGHIJ"
WOBBLE = np.array([0.3, -0.1, 0.2, 0.0, -0.3, 0.1, -0.2, 0.25, -0.15, 0.05])


@pytest.fixture
def board(make_record):
    """A function that makes one board from method -> score per patient; ``mean`` is a control."""

    def make(scores, *, metric=None, **job):
        records = [
            make_record({f"{p}1": [s]}, fold=p, method=m, control=m in ("mean", "oracle"), oracle=m == "oracle", **job)
            for m, values in scores.items()
            for p, s in zip(PATIENTS, values, strict=False)
        ]
        if metric:
            records = [_with(record, **metric) for record in records]
        (found,) = standings(records, "pearson")
        return found

    return make


def _with(record, **facts):
    """The record of a metric that says more of itself."""
    return record.model_copy(update={"scores": {"pearson": record.scores["pearson"].model_copy(update=facts)}})


def _row(board, method):
    (row,) = [row for row in board.rows if row.method == method]
    return row


# pairs


def test_every_two_ranked_methods_and_every_control_are_compared_once(board):
    found = board({"mean": WOBBLE, "a": WOBBLE + 1, "b": WOBBLE * 2, "c": WOBBLE[::-1]})
    assert {(pair.one, pair.other) for pair in found.pairs} == {("a", "b"), ("a", "c"), ("b", "c")}
    assert [comparison.other for row in found.rows for comparison in row.skill] == ["mean"] * 3


def test_holm_covers_pairs_and_controls_together(board):
    found = board({"mean": WOBBLE, "a": WOBBLE[::-1] + 0.3, "b": WOBBLE**2, "c": WOBBLE[::2].repeat(2)})
    family = [*found.pairs, *(comparison for row in found.rows for comparison in row.skill)]
    assert len(family) == 6
    assert [c.p_holm for c in family] == pytest.approx(list(holm([c.p for c in family])))


def test_the_leader_is_compared_with_all_others_from_their_side(board):
    found = board({"a": WOBBLE + 1, "b": WOBBLE})
    assert _row(found, "a").versus_leader is None
    behind = _row(found, "b").versus_leader
    assert (behind.one, behind.other, behind.difference) == ("b", "a", pytest.approx(-1.0))
    assert behind.low <= behind.difference <= behind.high
    assert (behind.p, behind.rank_biserial) == (pytest.approx(2 / 2**10), -1)


def test_of_errors_the_smaller_leads(board):
    found = board({"a": 1 + WOBBLE, "b": 3 + WOBBLE}, higher_is_better=False)
    (pair,) = found.pairs
    assert (pair.one, pair.other, pair.difference) == ("a", "b", pytest.approx(2.0))
    assert _row(found, "a").rank == 1


def test_methods_that_are_not_told_apart_share_a_letter(board):
    found = board({"a": WOBBLE + 2, "b": WOBBLE[::-1], "c": WOBBLE})
    assert {row.method: row.ties for row in found.rows} == {"a": "a", "b": "b", "c": "b"}
    assert all(pair.is_clear == (pair.p_holm <= ALPHA) for pair in found.pairs)


def test_controls_and_incomplete_rows_have_neither_letters_nor_pairs(board):
    found = board({"mean": WOBBLE, "a": WOBBLE + 1, "b": WOBBLE[:5]})
    assert (_row(found, "mean").ties, _row(found, "b").ties) == ("", "")
    assert found.pairs == ()
    assert _row(found, "b").best_control.n_units == 5


def test_units_without_a_score_are_left_out_of_a_comparison(board):
    found = board({"mean": WOBBLE, "a": [*(WOBBLE[:9] + 1), math.nan]})
    assert _row(found, "a").best_control.n_units == 9
    assert _row(found, "a").rank is None


def test_equal_methods_are_not_told_apart(board):
    (pair,) = board({"a": WOBBLE, "b": WOBBLE}).pairs
    assert (pair.difference, pair.p, pair.is_clear) == (0, 1, False)


def test_order_of_methods_does_not_matter(board):
    scores = {"mean": WOBBLE, "a": WOBBLE[::-1] + 0.3, "b": WOBBLE**2}
    assert repr(board(scores)) == repr(board(dict(reversed(scores.items()))))


# skill


def test_normalised_skill_stands_between_the_best_control_and_the_bound(board):
    found = board({"mean": WOBBLE * 0 + 0.2, "a": WOBBLE * 0 + 0.6}, metric={"highest": 1.0})
    assert _row(found, "a").normalised_skill == pytest.approx(0.5)
    assert (found.ceiling, found.ceiling_name) == (1.0, "the metric's bound")


def test_the_oracle_is_a_nearer_ceiling_than_the_bound(board):
    scores = {"mean": WOBBLE * 0 + 0.2, "a": WOBBLE * 0 + 0.6, "oracle": WOBBLE * 0 + 0.7}
    found = board(scores, metric={"highest": 1.0})
    assert _row(found, "a").normalised_skill == pytest.approx(0.8)
    assert (found.ceiling, found.ceiling_name) == (pytest.approx(0.7), "oracle")


def test_skill_in_an_error_counts_downwards(board):
    scores = {"mean": WOBBLE * 0 + 4, "a": WOBBLE * 0 + 3}
    found = board(scores, metric={"lowest": 0.0}, higher_is_better=False)
    assert _row(found, "a").normalised_skill == pytest.approx(0.25)


def test_under_the_control_skill_is_negative(board):
    found = board({"mean": WOBBLE * 0 + 0.5, "a": WOBBLE * 0 + 0.4}, metric={"highest": 1.0})
    assert _row(found, "a").normalised_skill == pytest.approx(-0.2)


def test_skill_is_taken_on_the_units_that_both_have(board):
    found = board({"mean": [0.2, 0.6], "a": [0.6]}, metric={"highest": 1.0})
    assert _row(found, "a").normalised_skill == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("scores", "metric"),
    [
        ({"mean": WOBBLE, "a": WOBBLE}, None),
        ({"a": WOBBLE}, {"highest": 1.0}),
        ({"mean": WOBBLE * 0 + 1, "a": WOBBLE}, {"highest": 1.0}),
    ],
    ids=["no bound", "no control", "no room"],
)
def test_without_a_ceiling_or_a_control_or_room_there_is_no_skill(board, scores, metric):
    assert math.isnan(_row(board(scores, metric=metric), "a").normalised_skill)


# named columns


def test_a_headline_column_is_the_score(make_record):
    record = _with(make_record({"A1": [0.1, 0.9]}), columns=("low", "high"), headline="high")
    (found,) = standings([record], "pearson")
    assert (found.rows[0].score, found.rows[0].pooled) == (0.9, 0.9)


def test_columns_without_a_headline_are_averaged(make_record):
    (found,) = standings([_with(make_record({"A1": [0.1, 0.9]}), columns=("low", "high"))], "pearson")
    assert found.rows[0].score == pytest.approx(0.5)


def test_a_metric_that_only_pools_has_neither_interval_nor_rank(make_record):
    records = [
        _with(make_record({f"{p}1": [0.4]}, fold=p), per_slide={f"{p}1": (None,)}, pools="only") for p in PATIENTS
    ]
    (found,) = standings(records, "pearson")
    assert (found.rows[0].pooled, found.rows[0].rank) == (pytest.approx(0.4), None)
    assert (found.rows[0].undefined, found.rows[0].total) == (0, 10)
    assert (
        "'pearson' is defined over all slides together only: it has neither an interval nor a rank." in found.warnings
    )


# warnings


def test_with_five_patients_the_test_says_that_it_cannot_reject(board):
    found = board({"a": WOBBLE[:5], "b": WOBBLE[:5] + 9})
    assert found.warnings == (
        "with 5 patients the two-sided sign-flip test cannot go below p = 2/32 = 0.0625: no difference can be "
        "significant, whatever the scores.",
    )


def test_too_many_comparisons_for_the_patients_are_warned_of(board):
    found = board({name: WOBBLE[:7] + place for place, name in enumerate("abc")} | {"mean": WOBBLE[:7] - 3})
    assert found.warnings == (
        "6 comparisons on 7 patients: p cannot go below 0.016, so after Holm's correction few or none are "
        "significant; compare fewer methods, or read the intervals.",
    )


def test_enough_patients_for_the_comparisons_are_not_warned_of(board):
    assert board({"a": WOBBLE, "b": WOBBLE + 9}).warnings == ()


# rows


def test_pair_rows_are_plain_json_and_name_controls(board):
    flat = pair_rows(board({"mean": WOBBLE[:1], "a": WOBBLE[:1], "b": WOBBLE[:1]}))
    assert json.loads(json.dumps(flat, allow_nan=False)) == flat
    assert [(row["one"], row["other"], row["with_control"]) for row in flat] == [
        ("a", "b", False),
        ("a", "mean", True),
        ("b", "mean", True),
    ]
    assert flat[0]["p"] is None
    assert flat[0]["unit"] == "slides"


def test_rows_carry_ties_p_and_skill(board):
    flat = rows(board({"mean": WOBBLE - 1, "a": WOBBLE, "b": WOBBLE - 0.5}, metric={"highest": 1.0}))
    by_method = {row["method"]: row for row in flat}
    assert [by_method[name]["ties"] for name in ("a", "b", "mean")] == ["a", "b", None]
    assert by_method["a"]["difference_p_holm"] == pytest.approx(3 * 2 / 2**10)
    assert by_method["b"]["leader_p_holm"] == pytest.approx(3 * 2 / 2**10)
    assert by_method["a"]["leader_p_holm"] is None
    assert by_method["a"]["normalised_skill"] == pytest.approx(
        (WOBBLE.mean() + 1 - WOBBLE.mean()) / (2 - WOBBLE.mean())
    )


# what a board says of itself


def _gamed(found):
    return _with(found, gamed_by="saying nothing", lowest=-1.0, highest=1.0)


def test_a_metric_that_can_be_gamed_gives_neither_rank_nor_letter_nor_skill(make_record):
    records = [
        _gamed(make_record({f"{p}1": [s]}, fold=p, method=m, control=m == "mean"))
        for m, scores in {"mean": WOBBLE, "a": WOBBLE + 0.5, "b": WOBBLE - 0.1}.items()
        for p, s in zip(PATIENTS, scores, strict=True)
    ]
    (found,) = standings(records, "pearson")
    assert found.describes
    assert found.pairs == ()
    assert [(row.rank, row.rank_range, row.ties) for row in found.rows] == [(None, None, "")] * 3
    assert all(math.isnan(row.normalised_skill) for row in found.rows)
    assert not any("have no rank" in warning for warning in found.warnings)


def test_boards_of_one_title_say_what_tells_them_apart(make_record):
    records = [
        make_record({"A1": [0.1]}, target="generate", kind="generate", judge=judge, method=method)
        for judge in ("one", "other")
        for method in ("a", "b")
    ]
    found = standings(records, "pearson")
    assert [board.apart for board in found] == ["judge one", "judge other"]
    assert len({board.title for board in found}) == 2


def test_boards_that_differ_in_nothing_that_is_shown_are_numbered(make_record):
    first, second = make_record({"A1": [0.1]}), make_record({"A1": [0.2]}, method="b")
    found = standings([first, _with(second, revision="2")], "pearson")
    assert [board.apart for board in found] == ["set 1 of 2", "set 2 of 2"]


def test_every_column_is_averaged_as_the_score_is(make_record):
    facts = {"columns": ("at 1", "chance"), "headline": "at 1"}
    records = [_with(make_record({f"{p}1": [s, 0.1]}, fold=p), **facts) for p, s in zip(PATIENTS, WOBBLE, strict=True)]
    (found,) = standings(records, "pearson")
    assert found.headline == "at 1"
    assert found.rows[0].columns == pytest.approx({"at 1": found.rows[0].score, "chance": 0.1})


def test_intervals_that_leave_the_possible_are_remarked(board):
    wide = board({"a": [0.1, 0.9]}, metric={"lowest": -1.0, "highest": 1.0})
    narrow = board({"a": [0.1, 0.12]}, metric={"lowest": -1.0, "highest": 1.0})
    told = "some intervals exceed the range of 'pearson' (-1 to 1)"
    assert [any(told in warning for warning in found.warnings) for found in (wide, narrow)] == [True, False]


def test_generated_patches_are_judged_at_the_size_that_the_board_says(make_record):
    (found,) = standings([make_record({"A1": [0.1]}, target="generate", kind="generate", judge="net")], "pearson")
    assert f"judged at {JUDGED.patch_px} px" in task_told(found)


def test_a_board_of_retrieval_says_how_large_the_gallery_is(make_record):
    (found,) = standings([make_record({"A1": [0.1]}, target="retrieve", kind="retrieve")], "pearson")
    assert gallery_told(found) == "one slide, 60 spots"
