"""Where jobs run: in this process, or in worker processes of this machine.

An executor knows nothing of jobs but that they can be pickled. A worker that dies costs only the job it held.
"""

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from types import FrameType
from typing import Generic, TypeVar

__all__ = ["InProcess", "LocalProcesses"]

JobT = TypeVar("JobT")
OutcomeT = TypeVar("OutcomeT")


class InProcess:
    """Run jobs here, one after the other."""

    def run(
        self, jobs: Iterable[JobT], work: Callable[[JobT], OutcomeT], died: Callable[[JobT, str], OutcomeT]
    ) -> Iterator[OutcomeT]:
        """Yield each job's outcome as it ends."""
        del died  # this process dies with its job
        with _interrupts() as interrupted:
            for job in jobs:
                outcome = work(job)
                if interrupted.is_set():  # and the job went on: it came where Python prints exceptions and goes on
                    raise KeyboardInterrupt
                yield outcome


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Remember a Ctrl-C, which is lost where it arrives inside a callback of the interpreter, such as ``__del__``."""
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
    """Run jobs in worker processes, each with a GPU of its own where there are several.

    Parameters
    ----------
    workers
        Number of processes.
    gpus
        Ids of the GPUs to hand out in turn; empty on a machine without.
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
    """Feeds one worker process, and replaces it when it dies."""

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
        except BaseException as error:  # noqa: BLE001 -- handed to the thread that waits, which would wait for ever
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
                connection = connection or self._spawn()  # for a job at hand: the last one may have died at its end
                connection.send(job)
                outcome = connection.recv()
            except (EOFError, OSError):
                if self._stopping.is_set():
                    return
                connection, outcome = None, self._bury(job)
            self._done.put(outcome)

    def _spawn(self) -> Connection:
        context = multiprocessing.get_context("spawn")  # a fork would inherit locks and CUDA
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(self._gpu, theirs), daemon=True)
        process.start()
        self._process = process
        theirs.close()
        if self._stopping.is_set():  # since before there was a process to end
            process.terminate()
        ours.send(self._work)
        return ours

    def _bury(self, job: JobT) -> OutcomeT:
        process, self._process = self._process, None
        if process is None:
            raise RuntimeError("no worker process could be started on this machine.")
        process.join()
        return self._died(job, _cause(process.exitcode))


def _cause(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"its worker process was killed by {signal.Signals(-exit_code).name}"
    return f"its worker process ended with exit code {exit_code}"


def _serve(gpu: str, connection: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends its workers
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
