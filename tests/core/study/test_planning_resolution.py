"""What a study says of slides that are coarser than a frozen encoder was trained at, and of its precision."""

from pathlib import Path

import pytest

from histobench.contracts.registry import Registry
from histobench.errors import ConfigError
from histobench.results.records import JobSpec, job_id
from histobench.study.config import RunConfig
from histobench.study.grid import Planned
from histobench.study.jobs import Machine
from histobench.study.planning import plan_study


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.load()


@pytest.fixture(autouse=True)
def uni(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of UNI, trained at 0.5 µm per pixel; planning reads no more of them than their hash."""
    monkeypatch.setenv("HISTOBENCH_WEIGHTS", str(tmp_path))
    (tmp_path / "uni").mkdir()
    (tmp_path / "uni" / "model.safetensors").write_bytes(b"weights")


def planned(registry: Registry, root: Path, *, device: str = "cpu", **settings: object) -> Planned:
    given = {"datasets": ["her2st"], "data_root": root, "methods": ["ridge"], "encoders": ["uni@frozen"], **settings}
    return plan_study(RunConfig.model_validate(given), registry, Machine(device=device))


def ridge(plan: Planned) -> JobSpec:
    return next(job for job in plan.jobs if job.method == "ridge")


def test_coarse_slides_are_refused_with_a_reason(registry: Registry, her2st_root: Path) -> None:
    with pytest.raises(ConfigError, match=r"slides are coarser than the 0.5 µm .* --allow-upsampling enlarges them"):
        planned(registry, her2st_root)


def test_with_leave_they_are_enlarged_and_the_job_says_so(registry: Registry, her2st_root: Path) -> None:
    plan = planned(registry, her2st_root, allow_upsampling=True)
    job = ridge(plan)
    assert job.patch is not None
    assert job.patch.upsampling
    assert any("slides are enlarged to the 0.5 µm per pixel" in sentence for sentence in plan.notices)
    plain = job.model_copy(update={"patch": type(job.patch)(patch_px=job.patch.patch_px, mpp=job.patch.mpp)})
    assert job_id(plain) != job_id(job)


def test_leave_that_is_not_needed_changes_no_job(registry: Registry, her2st_root: Path) -> None:
    jobs = [
        ridge(planned(registry, her2st_root, encoders=["resnet18.random@frozen"], allow_upsampling=leave))
        for leave in (False, True)
    ]
    assert job_id(jobs[0]) == job_id(jobs[1])


@pytest.mark.parametrize(
    ("device", "asked", "found"), [("cuda", None, "fp16"), ("cpu", None, "fp32"), ("cpu", "bf16", "bf16")]
)
def test_a_frozen_encoder_computes_in_its_own_precision_on_a_gpu(
    registry: Registry, her2st_root: Path, device: str, asked: str | None, found: str
) -> None:
    plan = planned(registry, her2st_root, device=device, allow_upsampling=True, embed_precision=asked)
    assert ridge(plan).embed_precision == found
