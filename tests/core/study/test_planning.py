"""The grid, and what a reader must know of it, on the real sections."""

from pathlib import Path

import pytest

from histobench.contracts.registry import Registry
from histobench.results.records import job_id
from histobench.study.config import RunConfig
from histobench.study.grid import Planned
from histobench.study.jobs import Machine
from histobench.study.planning import plan_study


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.load()


def planned(registry: Registry, root: Path, *, threads: int = 1, **settings: object) -> Planned:
    config = RunConfig.model_validate({"datasets": ["her2st"], "data_root": root, "methods": ["cuca"], **settings})
    return plan_study(config, registry, Machine(threads=threads))


def test_both_patients_are_left_out_once(registry: Registry, her2st_root: Path) -> None:
    jobs = [job for job in planned(registry, her2st_root).jobs if job.method == "cuca"]
    assert {job.fold: (job.train, job.val, job.test) for job in jobs} == {
        "her2st:B": (("C2", "C3", "C4", "C5"), (), ("B4",)),
        "her2st:C": (("B4",), (), ("C2", "C3", "C4", "C5")),
    }


def test_published_fold_that_shrank_is_noticed(registry: Registry, her2st_root: Path) -> None:
    plan = planned(registry, her2st_root, scheme="cuca-4fold")
    assert {job.fold for job in plan.jobs} == {"2"}
    assert (
        "her2st, cuca-4fold: fold 2 is not the published one here: 1 of 18 train, 0 of 9 val, 4 of 9 test slides; "
        "the last epoch is kept." in plan.notices
    )
    assert [item.what for item in plan.left_out if item.what.startswith("fold")] == [
        "fold 0 of cuca-4fold",
        "fold 1 of cuca-4fold",
        "fold 3 of cuca-4fold",
    ]


def test_leaking_scheme_is_noticed_and_marks_its_jobs(registry: Registry, her2st_root: Path) -> None:
    plan = planned(registry, her2st_root, scheme="leave-one-slide-out")
    assert any("leaks" in sentence for sentence in plan.notices)
    assert all(job.leaks and not job.val for job in plan.jobs)


def test_stand_in_encoder_is_named_in_the_job(registry: Registry, her2st_root: Path) -> None:
    job = next(job for job in planned(registry, her2st_root).jobs if job.method == "cuca")
    assert (job.encoder, job.mode, job.stands_in_for) == ("vit-tiny", "full", "virchow2")


def test_methods_take_the_published_options_of_the_dataset(registry: Registry, her2st_root: Path) -> None:
    jobs = planned(registry, her2st_root, methods=["cuca-mlp"], encoders=["resnet18.random"]).jobs
    job = next(job for job in jobs if job.method == "cuca-mlp")
    weights = [job.options[f"weight_{loss}"] for loss in ("main", "reconstruction", "alignment")]
    assert weights == [0.7, 0.2, 0.1]


def test_quick_patches_are_small_only_where_the_encoder_starts_from_scratch(
    registry: Registry, her2st_root: Path
) -> None:
    jobs = planned(registry, her2st_root, preset="quick", encoders=["vit-tiny@full", "vit-tiny@lora"]).jobs
    sides = {job.mode: job.patch.patch_px for job in jobs if job.method == "cuca" and job.patch is not None}
    assert sides == {"full": 32, "lora": 224}


def test_job_id_ignores_the_machine_and_nothing_else(registry: Registry, her2st_root: Path) -> None:
    spec = planned(registry, her2st_root).jobs[-1]
    assert job_id(spec) == job_id(planned(registry, her2st_root, threads=8).jobs[-1])
    left_out = {"device", "threads", "checkpoint_file", "patch", "contamination", "gradient_checkpointing"}
    for name, value in spec.model_dump(exclude=left_out).items():
        other = not value if isinstance(value, bool) else {"str": "x", "int": 9}.get(type(value).__name__, ("x",))
        other = {"label": ("x", "y")} if name == "beside" else {"x": "x"} if isinstance(value, dict) else other
        changed = spec.model_copy(update={name: other})
        assert job_id(changed) != job_id(spec), name


def test_a_judge_without_patches_to_judge_is_noticed(registry: Registry) -> None:
    plan = plan_study(RunConfig(methods=("mean",), judge="densenet121.random"), registry, Machine())
    assert "--judge densenet121.random has no effect: no method of this study generates patches." in plan.notices


def test_job_id_follows_the_content_of_weights_that_training_starts_from(registry: Registry, tmp_path: Path) -> None:
    def ids(option: str) -> set[str]:
        method = option.partition(".")[0]
        config = RunConfig(methods=(method,), targets=("generate",), settings={option: str(tmp_path)})
        return {job_id(job) for job in plan_study(config, registry, Machine()).jobs if job.method == method}

    (tmp_path / "unet").mkdir()
    file = tmp_path / "unet" / "weights.safetensors"
    for option in ("clip-gan.start_from", "clip-diffusion.pretrained"):
        file.write_bytes(b"first")
        first = ids(option)
        assert first == ids(option)
        file.write_bytes(b"other")
        assert first
        assert not first & ids(option)


@pytest.mark.parametrize(("judge", "told"), [("resnet18.random", True), ("densenet121.random", False)])
def test_a_generator_that_learns_through_its_judge_is_noticed(
    registry: Registry, her2st_root: Path, judge: str, told: bool
) -> None:
    asked = {"methods": ["clip-gan"], "targets": ["generate"], "encoders": ["resnet18.random"]}
    plan = planned(registry, her2st_root, judge=judge, **asked)
    assert any("clip-gan learns through" in sentence for sentence in plan.notices) is told
