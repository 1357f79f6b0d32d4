"""A run that trains adapters is the same run again when its method is read back from the disk."""

from pathlib import Path

import numpy as np
from safetensors import safe_open

from histobench.contracts.registry import Registry
from histobench.results.records import JobSpec, job_id
from histobench.results.store import Store, read_predictions
from histobench.study.config import RunConfig
from histobench.study.job import run_job
from histobench.study.jobs import Machine
from histobench.study.planning import plan_study
from histobench.study.workspace import Workspace


def lora_job(**more: object) -> JobSpec:
    asked = {
        "datasets": ["synthetic"],
        "methods": ["fmmlp"],
        "encoders": ["vit-tiny@lora"],
        "metrics": ["pearson"],
        "epochs": 1,
        "set": {"fmmlp.patch_px": 32, "fmmlp.lora_rank": 2},
        **more,
    }
    plan = plan_study(RunConfig.model_validate(asked), Registry.load(), Machine())
    return next(job for job in plan.jobs if job.mode == "lora")


def test_a_lora_run_and_its_reload_give_the_same_predictions(tmp_path: Path) -> None:
    job = lora_job()
    workspace = Workspace(out=tmp_path, registry=Registry.load(), metrics=("pearson",))
    Store(tmp_path).folder(job_id(job)).path.mkdir(parents=True)
    first = run_job(job_id(job), job, workspace)
    assert first.error is None
    folder = Store(tmp_path).folder(first.job_id)
    trained = [result.predicted.values for result in read_predictions(folder.predictions)]
    folder.predictions.unlink()
    run_job(first.job_id, job, workspace)  # finds its method fitted, and reads it
    read = [result.predicted.values for result in read_predictions(folder.predictions)]
    assert all(np.array_equal(one, other) for one, other in zip(trained, read, strict=True))
    (weights,) = folder.checkpoint.glob("*.safetensors")
    with safe_open(weights, framework="np") as file:
        kept = [name for name in file.keys() if "blocks." in name]  # noqa: SIM118 -- no mapping
    assert kept
    assert all("lora_" in name and (".10." in name or ".11." in name) for name in kept)


def test_gradient_checkpointing_is_in_the_job_and_not_in_its_name() -> None:
    plain, saving = lora_job(), lora_job(gradient_checkpointing=True)
    assert saving.gradient_checkpointing
    assert not plain.gradient_checkpointing
    assert job_id(plain) == job_id(saving)
