"""Files are replaced whole, what killed processes leave is removed, and a file is named by its bytes."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from histobench.files import file_digest, remove_leftovers, replacing
from histobench.images.files import hash_file
from histobench.weights.locate import weights_hash

CONTENT = bytes(range(256)) * 5000  # more than is read at once


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "content"
    path.write_bytes(CONTENT)
    return path


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_digest_is_that_of_the_bytes(file: Path, algorithm: str) -> None:
    assert file_digest(file, algorithm) == hashlib.new(algorithm, CONTENT).hexdigest()


def test_weights_and_images_are_named_by_the_sha256_of_their_bytes(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HISTOBENCH_WEIGHTS", str(tmp_path / "weights"))
    expected = hashlib.sha256(CONTENT).hexdigest()
    assert hash_file(file) == expected
    assert weights_hash(file) == expected


def test_a_file_is_replaced_as_a_whole(file: Path) -> None:
    with replacing(file) as partial:
        partial.write_bytes(b"new")
        assert file.read_bytes() == CONTENT
    assert file.read_bytes() == b"new"
    assert list(file.parent.iterdir()) == [file]


def test_a_write_that_fails_leaves_the_old_file(file: Path) -> None:
    def write() -> None:
        with replacing(file) as partial:
            partial.write_bytes(b"half")
            raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        write()
    assert file.read_bytes() == CONTENT
    assert list(file.parent.iterdir()) == [file]


def test_what_a_killed_process_left_is_removed(file: Path, leftover: Callable[[Path], Path]) -> None:
    left = leftover(file)
    assert left.read_text() == "half"
    remove_leftovers(file.parent)
    assert not left.exists()
    assert file.read_bytes() == CONTENT


def test_partial_files_of_the_living_and_of_other_machines_are_kept(file: Path) -> None:
    others = [file.with_name(name) for name in (".a.elsewhere-99999999-1.partial", ".a.partial", "b.partial")]
    for other in others:
        other.touch()
    with replacing(file) as partial:
        partial.write_bytes(b"new")
        assert f"-{os.getpid()}-" in partial.name
        remove_leftovers(file.parent)
        assert partial.exists()
    assert all(other.exists() for other in others)
