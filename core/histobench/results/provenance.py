"""Provenance of a job for its record: time, memory, warnings, versions, commit, machine."""

import functools
import os
import platform
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

import psutil
import threadpoolctl

__all__ = ["Watch", "determinism", "git_commit", "limit_threads", "machine", "versions"]

LIBRARIES = ("histobench", "numpy", "scipy", "scikit-learn", "torch", "torchvision", "timm", "peft", "lightning-fabric")
"""Distributions whose versions can change a score."""

SAMPLE_SECONDS = 0.05
"""Time between two measurements of memory."""


class Watch:
    """Measures a job: seconds per phase, peak memory, and the warnings raised in this thread."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.warnings: list[str] = []
        self._peak = 0
        self._over = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._catcher = warnings.catch_warnings()

    def __enter__(self) -> Self:
        self._sampler.start()
        self._catcher.__enter__()
        thread, show = threading.get_ident(), warnings.showwarning

        def keep(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if threading.get_ident() != thread:
                show(message, category, filename, lineno, file, line)
                return
            text = f"{category.__name__}: {' '.join(str(message).split())}"
            if text not in self.warnings:
                self.warnings.append(text)

        warnings.showwarning = keep
        return self

    def __exit__(self, *error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._catcher.__exit__(None, None, None)
        self._over.set()
        self._sampler.join()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the seconds spent in the block to a phase."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begun

    def peak_memory_mb(self) -> dict[str, float]:
        """Return the peak resident memory during the job, and the peak allocation on a GPU, in MiB."""
        peak = {"resident": self._peak / 2**20}
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            peak["gpu"] = torch.cuda.max_memory_allocated() / 2**20
        return peak

    def _sample(self) -> None:
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        process = psutil.Process()
        while True:
            self._peak = max(self._peak, process.memory_info().rss)
            if self._over.wait(SAMPLE_SECONDS):
                return


@contextmanager
def limit_threads(threads: int) -> Iterator[None]:
    """Limit BLAS, OpenMP and torch to this many threads, because how sums are split decides their last bits."""
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(threads)  # for a torch that is not imported yet
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)
    with threadpoolctl.threadpool_limits(threads):
        yield


def determinism(device: str, threads: int) -> str:
    """Describe how exactly a second run repeats the first."""
    if device.startswith("cpu"):
        return f"bit for bit on this machine with {threads} thread{'s' * (threads > 1)}"
    return "same seed and order; some GPU kernels may differ in the last bits"


@functools.lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Return the versions of Python and of every library that can change a score."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@functools.lru_cache(maxsize=1)
def git_commit() -> str | None:
    """Return the commit of histobench's checkout, with ``+`` if it has changes; ``None`` if there is no checkout."""
    here = Path(__file__).parent
    try:
        described = subprocess.run(  # noqa: S603 -- fixed arguments
            ["git", "-C", str(here), "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip() or None


def machine(device: str) -> dict[str, str]:
    """Describe the machine and the device."""
    found = {"host": platform.node(), "processor": _processor(), "cores": str(os.cpu_count()), "device": device}
    torch = sys.modules.get("torch")
    if torch is not None and device.startswith("cuda"):
        found["gpu"] = torch.cuda.get_device_name(0)
    return found


@functools.lru_cache(maxsize=1)
def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
