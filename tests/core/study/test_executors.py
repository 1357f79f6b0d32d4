"""Where jobs run: every job has one outcome, whatever becomes of its worker."""

import contextlib
import multiprocessing
import os
import pickle
import signal
import time
from collections.abc import Iterator

import pytest

from histobench.study.executors import LocalProcesses, in_turn


def died(job: int, cause: str) -> str:
    return f"{job} {cause}"


def test_every_job_is_done_once() -> None:
    assert sorted(LocalProcesses(2).run(range(7), abs, died)) == list(range(7))
    assert list(map(abs, in_turn(range(7)))) == list(range(7))


def test_no_job_is_no_work() -> None:
    assert list(LocalProcesses(2).run([], abs, died)) == []


def test_dead_worker_costs_only_its_job() -> None:
    # os._exit acts as a crash: it ends the worker at its first job, with that job's number as exit code
    outcomes = list(LocalProcesses(1).run([3, 4], os._exit, died))
    assert outcomes == [
        "3 its worker process ended with exit code 3",
        "4 its worker process ended with exit code 4",
    ]


def test_killed_worker_is_named_by_its_signal() -> None:
    assert list(LocalProcesses(1).run([9], signal.raise_signal, died)) == ["9 its worker process was killed by SIGKILL"]


def test_worker_that_dies_before_its_first_job_costs_that_job(monkeypatch: pytest.MonkeyPatch) -> None:
    spawn = multiprocessing.context.SpawnProcess.start

    def start_and_lose(process: multiprocessing.context.SpawnProcess) -> None:
        spawn(process)
        process.kill()
        process.join()

    monkeypatch.setattr(multiprocessing.context.SpawnProcess, "start", start_and_lose)
    assert list(LocalProcesses(1).run([1, 2], abs, died)) == [
        "1 its worker process was killed by SIGKILL",
        "2 its worker process was killed by SIGKILL",
    ]


def test_work_that_cannot_be_sent_ends_the_run() -> None:
    with pytest.raises((AttributeError, pickle.PicklingError), match="lambda"):
        list(LocalProcesses(1).run([1], lambda job: job, died))


def test_error_raised_on_purpose_reaches_the_caller() -> None:
    with pytest.raises(TypeError, match="bad operand"):
        list(LocalProcesses(1).run(["text"], abs, died))


def test_stopping_early_ends_the_workers() -> None:
    outcomes = LocalProcesses(2).run([0.0, 60.0, 60.0], time.sleep, died)
    assert next(outcomes) is None
    began = time.monotonic()
    outcomes.close()
    assert time.monotonic() - began < 30


@pytest.fixture
def _hears_ctrl_c() -> Iterator[None]:
    """As in a terminal; a suite that runs in the background hears none."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_hears_ctrl_c")
def test_ctrl_c_that_a_callback_swallows_stops_before_the_next_job() -> None:
    begun = []

    def swallow(job: int) -> int:
        begun.append(job)
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        return job

    with pytest.raises(KeyboardInterrupt):
        list(map(swallow, in_turn([1, 2, 3])))
    assert begun == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
