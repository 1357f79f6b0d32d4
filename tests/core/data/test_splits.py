"""Folds hold out patients, say what cannot be formed, and never leak unasked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from histobench.data import Slide
from histobench.data.splits import (
    PublishedFold,
    Scheme,
    leave_one_patient_out,
    leave_one_slide_out,
    make_folds,
)
from histobench.errors import DataError, LeakageError


def slides(*ids: str) -> list[Slide]:
    """Make slides; the patient is the id's first letter."""
    return [Slide(id=name, patient=name[0]) for name in ids]


def cohorts(least: int = 2) -> st.SearchStrategy[list[Slide]]:
    """Draw slides of several patients, in any order."""
    sizes = st.lists(st.integers(1, 4), min_size=least, max_size=6)
    made = sizes.map(lambda n: [Slide(id=f"{p}{i}", patient=f"{p}") for p, size in enumerate(n) for i in range(size)])
    return made.flatmap(st.permutations)


PUBLISHED = Scheme(
    name="published",
    title="two folds",
    folds=(
        PublishedFold(name="0", train=("A1", "A2"), val=("B1",), test=("C1",)),
        PublishedFold(name="1", train=("C1",), val=(), test=("A1", "A2")),
    ),
)


@given(cohorts())
def test_every_patient_is_tested_on_once(cohort: list[Slide]) -> None:
    folds = make_folds(leave_one_patient_out, cohort)
    tested = [slide.id for split in folds.splits for slide in split.test]
    assert sorted(tested) == sorted(slide.id for slide in cohort)
    assert not folds.unavailable


@given(cohorts())
def test_no_patient_stands_on_two_sides(cohort: list[Slide]) -> None:
    for split in make_folds(leave_one_patient_out, cohort).splits:
        sides = [{slide.patient for slide in side} for side in (split.train, split.val, split.test)]
        assert sum(map(len, sides)) == len(set.union(*sides))
        assert sides[2] == {split.fold}
        assert not split.shares_patients


@given(cohorts())
def test_no_slide_is_lost(cohort: list[Slide]) -> None:
    for split in make_folds(leave_one_patient_out, cohort).splits:
        assert len(split.train) + len(split.val) + len(split.test) == len(cohort)


@given(cohorts(), st.randoms())
def test_folds_do_not_depend_on_the_order_of_the_slides(cohort: list[Slide], random: object) -> None:
    other = list(cohort)
    random.shuffle(other)  # type: ignore[attr-defined]
    assert make_folds(leave_one_patient_out, cohort) == make_folds(leave_one_patient_out, other)


def test_patient_is_spared_for_validation_when_three_remain() -> None:
    four = make_folds(leave_one_patient_out, slides("A1", "B1", "C1", "D1"))
    assert [[s.id for s in split.val] for split in four.splits] == [["B1"], ["C1"], ["D1"], ["A1"]]
    three = make_folds(leave_one_patient_out, slides("A1", "B1", "C1"))
    assert all(not split.val for split in three.splits)


def test_leaving_slides_out_keeps_their_patient_in_training_and_is_marked() -> None:
    folds = make_folds(leave_one_slide_out, slides("A1", "A2", "B1"))
    assert [split.fold for split in folds.splits] == ["A1", "A2", "B1"]
    assert [s.id for s in folds.splits[0].train] == ["A2", "B1"]
    assert all(split.shares_patients for split in folds.splits)


def test_published_folds_are_taken_as_printed() -> None:
    folds = make_folds(PUBLISHED, slides("A1", "A2", "B1", "C1"))
    first = folds.splits[0]
    assert [[s.id for s in side] for side in (first.train, first.val, first.test)] == [["A1", "A2"], ["B1"], ["C1"]]


def test_published_folds_shrink_to_the_slides_at_hand() -> None:
    folds = make_folds(PUBLISHED, slides("A1", "C1"))
    assert [[s.id for s in split.train] for split in folds.splits] == [["A1"], ["C1"]]
    assert folds.splits[0].val == ()


def test_fold_without_its_slides_is_named_with_the_reason() -> None:
    lost = PublishedFold(name="2", train=("X1",), val=(), test=("A1",))
    emptier = PublishedFold(name="3", train=("X1",), val=(), test=("Y1",))
    scheme = Scheme(name="s", title="s", folds=(*PUBLISHED.folds, lost, emptier))
    folds = make_folds(scheme, slides("A1", "A2", "C1"))
    assert folds.unavailable == {
        "2": "none of its train slides is usable here",
        "3": "none of its train nor test slides is usable here",
    }


def test_scheme_that_forms_no_fold_is_an_error_with_every_reason() -> None:
    with pytest.raises(DataError) as caught:
        make_folds(PUBLISHED, slides("B1"))
    assert str(caught.value) == (
        "scheme 'published' forms no fold from the slides here (B1): "
        "fold 0: none of its train nor test slides is usable here; "
        "fold 1: none of its train nor test slides is usable here."
    )


@pytest.mark.parametrize(
    ("scheme", "what"), [(leave_one_patient_out, "patient 'A'"), (leave_one_slide_out, "slide 'A1'")]
)
def test_one_alone_cannot_be_left_out(scheme: Scheme, what: str) -> None:
    with pytest.raises(DataError, match=f"no slides remain to train on without {what}"):
        make_folds(scheme, slides("A1"))


def test_no_slides_at_all() -> None:
    with pytest.raises(DataError, match=r"forms no fold from the slides here \(none\)"):
        make_folds(leave_one_patient_out, [])


def test_published_folds_that_leak_are_refused_unless_marked() -> None:
    leaking = PublishedFold(name="0", train=("A1",), val=(), test=("A2",))
    cohort = slides("A1", "A2")
    with pytest.raises(LeakageError, match="fold 0: patient 'A' has slides in both train"):
        make_folds(Scheme(name="s", title="s", folds=(leaking,)), cohort)
    marked = make_folds(Scheme(name="s", title="s", folds=(leaking,), leaks=True), cohort)
    assert marked.splits[0].shares_patients
