"""Where jobs run: in this process one after another, or in worker processes of this machine.

An executor only needs jobs that can be pickled. A worker process that dies costs only the job that it was running.
"""

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from types import FrameType
from typing import Generic, TypeVar

__all__ = ["LocalProcesses", "in_turn"]

JobT = TypeVar("JobT")
OutcomeT = TypeVar("OutcomeT")


def in_turn(jobs: Iterable[JobT]) -> Generator[JobT, None, None]:
    """Yield jobs to be run in this process; stop after a job during which Ctrl-C was pressed, even if it was lost."""
    with _interrupts() as interrupted:
        for job in jobs:
            yield job
            if interrupted.is_set():
                raise KeyboardInterrupt


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Remember Ctrl-C: Python prints and drops it if it arrives inside a callback such as ``__del__``."""
    seen = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is not signal.default_int_handler:
        yield seen
        return

    def see(number: int, frame: FrameType | None) -> None:
        seen.set()
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, see)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)


class LocalProcesses:
    """Run jobs in worker processes; several GPUs are shared out among them.

    Parameters
    ----------
    workers
        Number of processes.
    gpus
        Ids of the GPUs to assign in turn; empty on a machine without GPUs.
    """

    def __init__(self, workers: int, *, gpus: tuple[str, ...] = ()) -> None:
        self._gpus = [gpus[i % len(gpus)] if gpus else "" for i in range(workers)]

    def run(
        self, jobs: Iterable[JobT], work: Callable[[JobT], OutcomeT], died: Callable[[JobT, str], OutcomeT]
    ) -> Iterator[OutcomeT]:
        """Yield each job's outcome as it ends, in any order."""
        todo: queue.SimpleQueue[JobT] = queue.SimpleQueue()
        total = 0
        for total, job in enumerate(jobs, start=1):  # noqa: B007 -- counted while queued
            todo.put(job)
        done: queue.SimpleQueue[OutcomeT | BaseException] = queue.SimpleQueue()
        handlers = [_Handler(gpu, todo, done, work, died) for gpu in self._gpus[:total]]
        for handler in handlers:
            handler.start()
        try:
            for _ in range(total):
                outcome = done.get()
                if isinstance(outcome, BaseException):
                    raise outcome
                yield outcome
        finally:
            for handler in handlers:
                handler.stop()


class _Handler(threading.Thread, Generic[JobT, OutcomeT]):
    """Sends jobs to one worker process, and replaces the process when it dies."""

    def __init__(
        self,
        gpu: str,
        todo: "queue.SimpleQueue[JobT]",
        done: "queue.SimpleQueue[OutcomeT | BaseException]",
        work: Callable[[JobT], OutcomeT],
        died: Callable[[JobT, str], OutcomeT],
    ) -> None:
        super().__init__(daemon=True)
        self._gpu, self._todo, self._done, self._work, self._died = gpu, todo, done, work, died
        self._process: multiprocessing.process.BaseProcess | None = None
        self._stopping = threading.Event()

    def run(self) -> None:
        try:
            self._feed()
        except BaseException as error:  # noqa: BLE001 -- raised in the thread that waits for an outcome
            self._done.put(error)
        self.stop()

    def stop(self) -> None:
        self._stopping.set()
        if self._process is not None and self._process.is_alive():
            self._process.terminate()

    def _feed(self) -> None:
        connection: Connection | None = None
        while not self._stopping.is_set():
            try:
                job = self._todo.get_nowait()
            except queue.Empty:
                return
            try:
                connection = connection or self._spawn()  # only now that there is a job for it
                connection.send(job)
                outcome = connection.recv()
            except (EOFError, OSError):
                if self._stopping.is_set():
                    return
                connection, outcome = None, self._record_death(job)
            self._done.put(outcome)

    def _spawn(self) -> Connection:
        context = multiprocessing.get_context("spawn")  # a fork would inherit locks and CUDA
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(self._gpu, theirs), daemon=True)
        process.start()
        self._process = process
        theirs.close()
        if self._stopping.is_set():  # `stop` may have run before there was a process to end
            process.terminate()
        ours.send(self._work)
        return ours

    def _record_death(self, job: JobT) -> OutcomeT:
        process, self._process = self._process, None
        if process is None:
            raise RuntimeError("this machine could not start a worker process.")
        process.join()
        return self._died(job, _cause(process.exitcode))


def _cause(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"its worker process was killed by {signal.Signals(-exit_code).name}"
    return f"its worker process ended with exit code {exit_code}"


def _serve(gpu: str, connection: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C and then ends its workers
    if gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu  # before anything imports torch
    try:
        work = connection.recv()
        while True:
            connection.send(_guarded(work, connection.recv()))
    except (EOFError, OSError):
        return


def _guarded(work: Callable[[JobT], OutcomeT], job: JobT) -> OutcomeT | BaseException:
    try:
        return work(job)
    except Exception as error:  # noqa: BLE001 -- raised again in the parent
        return error
