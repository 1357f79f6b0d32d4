"""An encoder that has seen what it is tested on is never shown unmarked: job, notice, table and board say so."""

from dataclasses import replace

import pytest

from histobench.contracts.cards import DatasetCard, EncoderCard
from histobench.contracts.registry import Registry
from histobench.results.records import job_id
from histobench.results.statistics import standings
from histobench.results.statistics.rows import rows
from histobench.study.config import RunConfig
from histobench.study.jobs import Machine
from histobench.study.planning import plan_study
from histobench.weights.slots import EncoderChoice


def built(_anything: object) -> None:
    raise AssertionError("nothing is built to find out")


def choice(*seen: str, patients: tuple[str, ...] = ()) -> EncoderChoice:
    card = EncoderCard(name="net", title="n", build=built, pretrained_on=seen, pretrained_patients=patients)
    return EncoderChoice(card=card, mode="frozen")


DATASET = DatasetCard(name="breast", title="b", build=built, targets=(), drawn_from=("TCGA",))


def test_an_encoder_that_saw_a_collection_of_the_dataset_is_contaminated() -> None:
    assert choice("PAIP", "TCGA").contamination(DATASET, ["A"]) == ("TCGA",)


def test_an_encoder_that_saw_the_dataset_itself_is_contaminated() -> None:
    assert choice("breast").contamination(DATASET, ["A"]) == ("breast",)


def test_an_encoder_that_saw_others_is_clean() -> None:
    assert choice("PAIP", "ImageNet").contamination(DATASET, ["A"]) == ()


def test_an_encoder_of_which_nobody_tells_is_not_accused() -> None:
    untold = replace(choice(), card=replace(choice().card, pretrained_on=None))
    assert untold.contamination(DATASET, ["A"]) == ()


@pytest.mark.parametrize(("tested", "seen"), [(["A", "B"], ("breast",)), (["B"], ())])
def test_an_encoder_that_names_its_patients_is_clean_on_others(tested: list[str], seen: tuple[str, ...]) -> None:
    assert choice("breast", patients=("A", "C")).contamination(DATASET, tested) == seen


def test_a_plan_marks_every_job_of_such_an_encoder_and_says_so() -> None:
    registry = Registry.load()
    seen = replace(registry.encoders.get("vit-tiny"), pretrained_on=("synthetic",))
    registry.encoders.cards["vit-tiny"] = seen
    asked = {"datasets": ["synthetic"], "methods": ["ridge"], "encoders": ["vit-tiny@frozen"], "metrics": ["pearson"]}
    plan = plan_study(RunConfig.model_validate(asked), registry, Machine())
    marked = {job.encoder: job.contamination for job in plan.jobs}
    assert marked.pop("vit-tiny") == ("synthetic",)
    assert set(marked.values()) == {()}
    said = "'vit-tiny' was pretrained on synthetic, which contains slides of synthetic: its scores may be too good"
    assert len([sentence for sentence in plan.notices if said in sentence]) == 1


def test_a_job_is_the_same_whatever_is_known_of_its_encoder(make_record) -> None:
    clean, marked = (make_record({"A1": [0.1]}, contamination=seen).job for seen in ((), ("TCGA",)))
    assert job_id(clean) == job_id(marked)


def test_a_board_marks_its_row_and_warns(make_record) -> None:
    facts = {"encoder": "phikon", "mode": "frozen"}
    records = [
        make_record({"A1": [0.1]}, fold="A", contamination=("TCGA",), **facts),
        make_record({"B1": [0.2]}, fold="B", **facts),
        make_record({"A1": [0.3]}, fold="A", method="mean"),
    ]
    (board,) = standings(records, "pearson")
    labels = {row.method: row.label for row in board.rows}
    assert labels == {"ridge": "ridge · phikon (frozen, saw TCGA)", "mean": "mean"}
    assert any("phikon was pretrained on TCGA, where tested slides come from" in told for told in board.warnings)
    assert {row["method"]: row["contamination"] for row in rows(board)} == {"ridge": "TCGA", "mean": None}
