"""The folder that drawn patches are written to: one run, whatever happens."""

import csv
import os
from collections.abc import Callable
from pathlib import Path

import filelock
import pytest

from histobench.errors import StoreError
from histobench.reports.generation import Manifest, check_folder
from histobench.reports.generation.folders import one_run, write_manifest

OLD, NEW = 40, 200


def run(out: Path, *, shade: int, n: int, clusters: bool = False) -> None:
    """Write a run of n images of two seeds, whose content is their shade."""
    with one_run(out) as folder:
        entries = []
        for prompt in range(n):
            for seed in range(2):
                cluster = f"cluster_{prompt % 2}/" if clusters else ""
                file = f"{cluster}prompt_{prompt:05d}_seed{seed:04d}_00.png"
                (folder / file).parent.mkdir(exist_ok=True)
                (folder / file).write_text(str(shade))
                entries.append(Manifest(file=file, prompt=prompt, row=prompt, label="a", seed=seed, sample=0))
        (folder / "sheet.png").write_text(str(shade))
        write_manifest(folder, entries)


def listed(out: Path) -> list[str]:
    if not (out / "manifest.csv").exists():
        return []
    return [row["file"] for row in csv.DictReader((out / "manifest.csv").read_text().splitlines())]


def shown(out: Path) -> set[str]:
    found = (path.relative_to(out) for path in out.rglob("*") if path.is_file())
    return {path.as_posix() for path in found if not any(part.startswith(".") for part in path.parts)}


def shades(out: Path) -> set[int]:
    return {int((out / file).read_text()) for file in listed(out) if (out / file).exists()}


def is_one_run(out: Path, shade: int, n: int) -> bool:
    return (
        shown(out) == {*listed(out), "manifest.csv", "sheet.png"} and shades(out) == {shade} and len(listed(out)) == n
    )


def test_a_later_run_takes_the_place_of_the_earlier(tmp_path: Path) -> None:
    run(tmp_path, shade=OLD, n=3, clusters=True)
    run(tmp_path, shade=NEW, n=2)
    assert is_one_run(tmp_path, NEW, 4)
    assert not list(tmp_path.glob("cluster_*"))


def test_what_no_run_wrote_is_kept_and_refused(tmp_path: Path) -> None:
    run(tmp_path, shade=OLD, n=1)
    (tmp_path / "prompt_00007_seed0000_00.png").write_bytes(b"another one's")
    with pytest.raises(
        StoreError, match=r"contains 1 files that its manifest does not list \('prompt_00007_seed0000_00.png'"
    ):
        run(tmp_path, shade=NEW, n=1)
    assert (tmp_path / "prompt_00007_seed0000_00.png").read_bytes() == b"another one's"
    assert shades(tmp_path) == {OLD}


def test_a_manifest_can_name_nothing_but_images_of_its_folder(tmp_path: Path) -> None:
    victim = tmp_path / "thesis.png"
    victim.write_bytes(b"years")
    out = tmp_path / "out"
    run(out, shade=OLD, n=1)
    header, *rows = (out / "manifest.csv").read_text().splitlines()
    more = [f"{name},0,0,,0,0" for name in ("../thesis.png", str(victim), "cluster_1/../../thesis.png")]
    (out / "manifest.csv").write_text("\n".join([header, *rows, *more]))
    run(out, shade=NEW, n=1)
    assert victim.read_bytes() == b"years"
    assert is_one_run(out, NEW, 2)


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"\xff\xfe", b""])
def test_another_programs_manifest_makes_a_folder_no_run(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "manifest.csv").write_bytes(content)
    with pytest.raises(StoreError, match="must be new, empty, or contain one earlier run alone"):
        check_folder(tmp_path)


def test_hidden_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".DS_Store").write_bytes(b"a desktop's")
    run(tmp_path, shade=OLD, n=1)
    run(tmp_path, shade=NEW, n=1)
    assert (tmp_path / ".DS_Store").read_bytes() == b"a desktop's"


def test_a_file_in_the_folders_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(StoreError, match="is a file, or is below a file; choose another with --out"):
        check_folder(tmp_path / "out")


def test_two_runs_at_once_are_refused(tmp_path: Path) -> None:
    with filelock.FileLock(tmp_path / ".lock"), pytest.raises(StoreError, match="another run writes to"):
        run(tmp_path, shade=NEW, n=1)


class Kill(BaseException):
    """The end of the process, before its nth step on disk."""


def killed(out: Path, after: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Start a run that is killed after so many steps on disk; False if it came to its end."""
    steps = 0
    with monkeypatch.context() as patch:
        for name in ("replace", "unlink", "rmdir", "mkdir"):
            real = getattr(os, name)

            def step(*given: object, real: Callable[..., object] = real, **named: object) -> object:
                nonlocal steps
                steps += 1
                if steps > after:
                    raise Kill
                return real(*given, **named)

            patch.setattr(os, name, step)
        try:
            run(out, shade=NEW, n=2)
        except Kill:
            return True
    return False


def test_a_kill_at_any_step_leaves_one_run_or_the_way_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # slow, and the power stays on
    after, were = 0, set()
    while True:
        out = tmp_path / str(after)
        run(out, shade=OLD, n=3, clusters=True)
        ended = not killed(out, after, monkeypatch)
        # no manifest ever describes another run's images
        assert len(shades(out)) <= 1
        were |= shades(out)
        check_folder(out)
        run(out, shade=120, n=1)
        assert is_one_run(out, 120, 2)
        if ended:
            break
        after += 1
    assert after > 15
    assert were == {OLD, NEW}
