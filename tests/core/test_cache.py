"""The cache keeps what it built, and builds what it cannot trust."""

import errno
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import platformdirs
import pytest
from filelock import FileLock

from histobench.cache import Cache, Entry, Kept, digest
from histobench.errors import DataError, StoreError

KEY = {"image": "a", "mpp": 0.5, "geometry": {"patch_px": 224}}
ENTRY = Entry(kind="texts", key=KEY, suffix=".txt", about={"slide": "A1"})
TWO_BUILDERS = """
import sys, time
from pathlib import Path
from histobench.cache import Cache, Entry

root = Path(sys.argv[1])

def build(path):
    with (root / "builds").open("a") as log:
        log.write("built\\n")
    time.sleep(0.3)
    path.write_text("whole")

entry = Entry(kind="texts", key={"a": 1}, suffix=".txt")
path = Cache(root).make(entry, build=build, valid=lambda path: path.read_text() == "whole")
print(path.read_text())
"""


class Builder:
    """Writes a text and counts how often it was asked to."""

    def __init__(self, text: str = "whole") -> None:
        self.text = text
        self.built = 0

    def __call__(self, path: Path) -> None:
        self.built += 1
        path.write_text(self.text)


def whole(path: Path) -> bool:
    return path.read_text() == "whole"


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def make(cache: Cache, build: Builder, key: dict[str, object] | None = None, kind: str = "texts") -> Path:
    return cache.make(Entry(kind=kind, key=key or KEY, suffix=".txt"), build=build, valid=whole)


def test_a_file_is_built_once(cache: Cache) -> None:
    build = Builder()
    assert make(cache, build) == make(cache, build)
    assert build.built == 1


def test_the_file_lies_under_its_kind_and_the_hash_of_its_key(cache: Cache) -> None:
    assert make(cache, Builder()) == cache.root / "texts" / f"{digest(KEY)}.txt"


def test_the_order_of_a_key_does_not_matter() -> None:
    assert digest(KEY) == digest(dict(reversed(KEY.items())))


def test_another_value_is_another_file() -> None:
    assert digest(KEY) != digest({**KEY, "mpp": 0.25})


def test_another_kind_is_another_file(cache: Cache) -> None:
    assert make(cache, Builder(), kind="one") != make(cache, Builder(), kind="two")


def test_a_damaged_file_is_built_again(cache: Cache) -> None:
    build = Builder()
    make(cache, build).write_text("who")
    assert make(cache, build).read_text() == "whole"
    assert build.built == 2


def test_a_build_removes_what_killed_processes_left(cache: Cache, leftover: Callable[[Path], Path]) -> None:
    path = cache.path(ENTRY)
    left = leftover(path.with_suffix(".json"))
    make(cache, Builder())
    assert path.read_text() == "whole"
    assert not left.exists()


def test_a_file_that_is_there_needs_no_writable_folder(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make(cache, Builder())

    def refuse(*_arguments: object, **_options: object) -> None:
        raise PermissionError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert make(cache, Builder()) == made


def test_a_full_disk_is_told_in_a_sentence(cache: Cache) -> None:
    def build(_path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(StoreError, match=r"cache folder .* cannot be written: .*No space left .* HISTOBENCH_CACHE"):
        cache.make(ENTRY, build=build, valid=whole)


def test_a_cache_folder_that_is_a_file_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError, match="cannot be written"):
        make(Cache(tmp_path / "file"), Builder())


def test_two_processes_build_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", TWO_BUILDERS, str(tmp_path)]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [run.communicate(timeout=60)[0].strip() for run in runs] == ["whole", "whole"]
    assert (tmp_path / "builds").read_text() == "built\n"


def test_the_environment_moves_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HISTOBENCH_CACHE", str(tmp_path))
    assert Cache().root == tmp_path


def test_the_cache_lies_in_the_users_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HISTOBENCH_CACHE", raising=False)
    assert Cache().root == platformdirs.user_cache_path("histobench")


# Manifests


def only(cache: Cache) -> Kept:
    (kept,) = cache.kept(("texts",))
    return kept


def test_the_manifest_says_what_the_file_was_made_from(cache: Cache) -> None:
    path = cache.make(ENTRY, build=Builder(), valid=whole)
    manifest = json.loads(path.with_suffix(".json").read_text())
    assert (manifest["kind"], manifest["key"], manifest["about"]) == ("texts", KEY, {"slide": "A1"})
    assert manifest["n_bytes"] == 5
    assert manifest["sha256"] == hashlib.sha256(b"whole").hexdigest()
    assert manifest["with"]["histobench"]


FOREIGN = {
    "without a manifest": lambda path: path.with_suffix(".json").unlink(),
    "with another file's manifest": lambda path: path.with_suffix(".json").write_text(
        path.with_suffix(".json").read_text().replace("0.5", "0.25")
    ),
    "with a manifest that is no JSON": lambda path: path.with_suffix(".json").write_text("{"),
    "with a manifest that is no object": lambda path: path.with_suffix(".json").write_text("[]"),
    "longer than its manifest says": lambda path: path.with_suffix(".json").write_text(
        path.with_suffix(".json").read_text().replace('"n_bytes": 5', '"n_bytes": 4')
    ),
}


@pytest.mark.parametrize("spoil", FOREIGN)
def test_a_file_is_foreign_and_built_again(cache: Cache, spoil: str) -> None:
    build = Builder()
    FOREIGN[spoil](make(cache, build))
    assert only(cache).fault()
    make(cache, build)
    assert build.built == 2
    assert not only(cache).fault()


def test_a_file_with_other_bytes_of_the_same_length_is_found_by_reading_it(cache: Cache) -> None:
    make(cache, Builder()).write_text("wHole")
    assert only(cache).fault() == "its content is not what was written"


def test_a_truncated_file_is_told_in_bytes(cache: Cache) -> None:
    make(cache, Builder()).write_text("who")
    assert only(cache).fault() == "it has 3 bytes, not 5"


def test_an_interrupted_build_resumes(cache: Cache) -> None:
    found = []

    def build(path: Path) -> None:
        found.append(path.exists())
        path.write_text("whole")
        if len(found) == 1:
            raise DataError("stopped.")

    with pytest.raises(DataError, match="stopped"):
        cache.make(ENTRY, build=build, valid=whole)
    assert only(cache).is_partial
    assert only(cache).fault() == "it was never finished"
    cache.make(ENTRY, build=build, valid=whole)
    assert found == [False, True]
    assert not only(cache).is_partial


def test_a_removed_file_leaves_its_lock_alone(cache: Cache) -> None:
    path = make(cache, Builder())
    assert cache.remove(only(cache))
    assert [left.name for left in path.parent.iterdir()] == [path.with_suffix(".lock").name]


def test_a_file_in_the_making_is_not_removed(cache: Cache) -> None:
    path = make(cache, Builder())
    with FileLock(path.with_suffix(".lock")):
        assert not cache.remove(only(cache))
    assert path.exists()


def test_other_kinds_of_files_are_not_listed(cache: Cache) -> None:
    make(cache, Builder(), kind="weights")
    assert list(cache.kept(("texts", "patches"))) == []
