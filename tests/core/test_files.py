"""A file is named by its bytes, whatever they are."""

import hashlib
from pathlib import Path

import pytest

from histobench.files import file_digest
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
