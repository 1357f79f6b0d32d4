"""Download her2st from its publisher, and verify a downloaded folder.

The files come from one commit on GitHub, and the git blob ids of that commit are part of this package. A file is
correct if its blob id, the SHA-1 of ``"blob " + length + NUL + content``, is the one in the table. A killed download
leaves a ``.part`` file, which the next download continues. A file with other content is renamed to ``.wrong`` and never
read. If one file fails, the others are still fetched.
"""

import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pooch
import requests
from filelock import FileLock, Timeout
from tqdm import tqdm

from histobench import DataError
from histobench_datasets.her2st.layout import find_root, git_blob_id, pick_download_root, read_blob_table

__all__ = ["BASE_URL", "URL_ENVIRONMENT", "check", "download"]

BASE_URL = "https://raw.githubusercontent.com/almaan/her2st/85df7411b987a7dec3feff9718b869a7a82091ec/"
"""The published files, at the commit of the blob table."""

URL_ENVIRONMENT = "HISTOBENCH_HER2ST_URL"
"""Environment variable for a mirror of `BASE_URL`."""

_TIMEOUT_S = (10, 60)  # to connect, to receive more
_CHUNK_BYTES = 1 << 16
_ATTEMPTS = 3
_UNREACHABLE = 3  # consecutive files without a connection to the server, after which the rest is not tried
_NAMED = 5  # failed files that the error message names
_TOO_MANY_REQUESTS, _RANGE_REFUSED, _SERVER_ERROR = 429, 416, 500


def download(root: Path | None, /, *, base_url: str | None = None, blobs: Mapping[str, str] | None = None) -> None:
    """Fetch the files that are missing or wrong; correct files are kept.

    Parameters
    ----------
    root
        As for `layout.pick_download_root`.
    base_url
        Mirror to fetch from; ``None`` for the environment variable ``HISTOBENCH_HER2ST_URL``, else the publisher.
    blobs
        Path → git blob id of the files to fetch; ``None`` for the whole published commit.

    Raises
    ------
    DataError
        If the folder cannot be written or is in use by another download, or at the end if files were not fetched.
    """
    folder = pick_download_root(root)
    wanted = read_blob_table() if blobs is None else blobs
    source = (base_url or os.environ.get(URL_ENVIRONMENT) or BASE_URL).rstrip("/") + "/"
    with _own(folder), _quiet_pooch():
        failed = _fetch_all(pooch.create(path=folder, base_url=source, registry=dict.fromkeys(wanted)), wanted)
    if failed:
        named = "; ".join(f"{path}: {why}" for path, why in list(failed.items())[:_NAMED])
        more = f"; and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
        raise DataError(
            f"{len(failed)} of {len(wanted)} files of her2st could not be fetched to '{folder}': {named}{more}. "
            "Run the command again to fetch only these."
        )


def check(root: Path | None, /, *, blobs: Mapping[str, str] | None = None) -> dict[str, str]:
    """Verify a folder: path → ``missing`` or ``altered (…)``, only for files that differ from the published ones.

    Raises
    ------
    DataError
        If the folder does not exist.
    """
    folder = find_root(root)
    wanted = read_blob_table() if blobs is None else blobs
    found = {path: git_blob_id(folder / path) if (folder / path).is_file() else "" for path in wanted}
    return {
        path: f"altered (git blob id {found[path]}, expected {blob})" if found[path] else "missing"
        for path, blob in wanted.items()
        if found[path] != blob
    }


def _fetch_all(source: pooch.Pooch, blobs: Mapping[str, str]) -> dict[str, str]:
    """Fetch the files one by one, and return the reason for each that failed: path → reason."""
    failed: dict[str, str] = {}
    unreachable = 0
    for path, blob in tqdm(blobs.items(), desc="her2st", unit="file", disable=None):
        if unreachable >= _UNREACHABLE:
            failed[path] = "not tried, as the server cannot be reached"
            continue
        try:
            _fetch(source, path, blob)
            unreachable = 0
        except (DataError, OSError) as error:  # requests' errors are OSErrors
            failed[path] = str(error)
            lost = isinstance(error, requests.ConnectionError | requests.Timeout)
            unreachable = unreachable + 1 if lost else 0
    return failed


def _fetch(source: pooch.Pooch, path: str, blob: str) -> None:
    target = Path(source.abspath) / path
    if target.is_file():
        if git_blob_id(target) == blob:
            return
        target.replace(_aside(target))
    source.fetch(path, downloader=_Downloader(part=target.with_name(f"{target.name}.part"), blob=blob))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Downloader:
    """The downloader that pooch calls for a file: it continues a partial file, verifies it, and moves it into place."""

    part: Path
    blob: str

    def __call__(self, url: str, output_file: str, _pooch: object) -> None:
        resumed = self.part.is_file() and self.part.stat().st_size > 0
        if not resumed or git_blob_id(self.part) != self.blob:
            self._stream_patiently(url)
        if resumed and git_blob_id(self.part) != self.blob:  # the part was of another file
            self.part.unlink()
            self._stream_patiently(url)
        found = git_blob_id(self.part)
        if found != self.blob:
            aside = _aside(self.part.with_suffix(""))
            self.part.replace(aside)
            raise DataError(f"wrong content, kept as '{aside.name}' (git blob id {found}, expected {self.blob})")
        self.part.replace(output_file)

    def _stream_patiently(self, url: str) -> None:
        for attempt in range(1, _ATTEMPTS):
            try:
                self._stream(url)
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError):
                time.sleep(0.2 * attempt)
            else:
                return
        self._stream(url)

    def _stream(self, url: str) -> None:
        """Fetch the missing rest of the file; start over if the server does not support ranges."""
        offset = self.part.stat().st_size if self.part.is_file() else 0
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={offset}-"} if offset else {})}
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT_S) as response:
            if response.status_code == _RANGE_REFUSED:
                self.part.unlink()
                raise requests.ConnectionError("the server refused to continue the file")
            if response.status_code == _TOO_MANY_REQUESTS or response.status_code >= _SERVER_ERROR:
                raise requests.ConnectionError(f"the server answered {response.status_code} {response.reason}")
            if not response.ok:
                raise DataError(f"the server answered {response.status_code} {response.reason}")
            continues = response.headers.get("Content-Range", "").startswith(f"bytes {offset}-")
            self._write(response, offset if continues else 0)

    def _write(self, response: requests.Response, offset: int) -> None:
        length = int(response.headers.get("Content-Length", 0))
        with (
            self.part.open("ab" if offset else "wb") as file,
            tqdm(
                total=offset + length or None, initial=offset, desc=self.part.stem, unit="B", unit_scale=True,
                leave=False, disable=None,
            ) as bar,
        ):  # fmt: skip
            for chunk in response.iter_content(_CHUNK_BYTES):
                bar.update(file.write(chunk))


def _aside(path: Path) -> Path:
    return path.with_name(f"{path.name}.wrong")


@contextmanager
def _own(folder: Path) -> Iterator[None]:
    """Create the folder, and lock it against a second download."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".download.lock", timeout=0):
            yield
    except Timeout as error:
        raise DataError(f"another download to '{folder}' is running; wait until it ends.") from error
    except OSError as error:
        raise DataError(f"cannot write to '{folder}': {error.strerror or error}.") from error


@contextmanager
def _quiet_pooch() -> Iterator[None]:
    """Keep pooch from logging a line per file, because a progress bar is shown."""
    logger = pooch.get_logger()
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)
