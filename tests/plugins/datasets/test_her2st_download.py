"""Download her2st from a local server that misbehaves in the ways servers do."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pooch
import pytest
from filelock import FileLock

from histobench import DataError
from histobench_datasets.her2st.dataset import Her2st
from histobench_datasets.her2st.download import BASE_URL, check, download, git_blob_id
from histobench_datasets.her2st.layout import SLIDES, read_blob_table

COUNTS = "data/ST-cnts/B1.tsv.gz"
IMAGE = "data/ST-imgs/B/B1/HE_B1.jpg"


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder with ranges, and remembers what was asked."""

    def do_GET(self) -> None:
        server: Server = self.server
        path = self.path.lstrip("/")
        asked = self.headers.get("Range")
        server.asked.append((path, asked))
        if server.fails.get(path):
            self.send_error(server.fails[path].pop(0))
        elif not (server.folder / path).is_file():
            self.send_error(404)
        else:
            self._answer(server, (server.folder / path).read_bytes(), asked, path)

    def _answer(self, server: "Server", content: bytes, asked: str | None, path: str) -> None:
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and server.gives_ranges else 0
        if start >= len(content) > 0 and start:
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        cut = server.cuts.pop(path, None)  # the connection breaks after so many bytes, once
        self.wfile.write(content[start:][:cut])

    def log_message(self, *_args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.folder = folder
        self.asked: list[tuple[str, str | None]] = []
        self.fails: dict[str, list[int]] = {}
        self.cuts: dict[str, int] = {}
        self.gives_ranges = True
        self.url = f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def server(release) -> Iterator[Server]:
    server = Server(release.root)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def blobs(release) -> dict[str, str]:
    """The blob table of the tree that is served."""
    paths = sorted(path for path in release.root.rglob("*") if path.is_file())
    return {str(path.relative_to(release.root)): git_blob_id(path) for path in paths}


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "copy" / "her2st"


def put(folder: Path, path: str, content: bytes) -> Path:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return target


def test_a_blob_id_is_gits(tmp_path):
    (tmp_path / "hello").write_bytes(b"hello\n")
    # `echo hello | git hash-object --stdin`
    assert git_blob_id(tmp_path / "hello") == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_the_shipped_table_covers_the_release():
    blobs = read_blob_table()
    assert len(blobs) == 121
    assert all(f"data/ST-cnts/{slide}.tsv.gz" in blobs for slide in SLIDES)
    assert all(len(blob) == 40 for blob in blobs.values())
    assert BASE_URL.endswith("/85df7411b987a7dec3feff9718b869a7a82091ec/")


def test_everything_arrives_and_reads(server, blobs, folder):
    download(folder, base_url=server.url, blobs=blobs)
    assert check(folder, blobs=blobs) == {}
    assert len(Her2st(folder).slides("cell_abundance:minor")) == 3
    assert not list(folder.rglob("*.part"))


def test_a_folder_above_gets_a_folder_of_its_own(server, blobs, tmp_path):
    download(tmp_path / "data", base_url=server.url, blobs={COUNTS: blobs[COUNTS]})
    assert (tmp_path / "data" / "her2st" / COUNTS).is_file()


def test_without_a_folder_the_cache_is_filled(server, blobs, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HISTOBENCH_HER2ST_URL", server.url)
    download(None, blobs={COUNTS: blobs[COUNTS]})
    assert (tmp_path / "cache" / "histobench" / "data" / "her2st" / COUNTS).is_file()


def test_what_is_there_and_right_is_not_asked_for(server, blobs, folder):
    download(folder, base_url=server.url, blobs=blobs)
    server.asked.clear()
    download(folder, base_url=server.url, blobs=blobs)
    assert server.asked == []


def test_a_wrong_file_is_set_aside_and_fetched_again(server, blobs, folder):
    put(folder, COUNTS, b"edited by hand")
    assert check(folder, blobs={COUNTS: blobs[COUNTS]}) == {
        COUNTS: f"altered (git blob id {git_blob_id(folder / COUNTS)}, expected {blobs[COUNTS]})"
    }
    download(folder, base_url=server.url, blobs={COUNTS: blobs[COUNTS]})
    assert check(folder, blobs={COUNTS: blobs[COUNTS]}) == {}
    assert (folder / f"{COUNTS}.wrong").read_bytes() == b"edited by hand"


def test_a_killed_download_goes_on_where_it_stopped(server, release, blobs, folder):
    whole = (release.root / IMAGE).read_bytes()
    put(folder, f"{IMAGE}.part", whole[:1000])
    download(folder, base_url=server.url, blobs={IMAGE: blobs[IMAGE]})
    assert server.asked == [(IMAGE, "bytes=1000-")]
    assert (folder / IMAGE).read_bytes() == whole


def test_a_server_without_ranges_sends_all_again(server, release, blobs, folder):
    server.gives_ranges = False
    put(folder, f"{IMAGE}.part", (release.root / IMAGE).read_bytes()[:1000])
    download(folder, base_url=server.url, blobs={IMAGE: blobs[IMAGE]})
    assert git_blob_id(folder / IMAGE) == blobs[IMAGE]


def test_a_complete_part_is_taken_without_asking(server, release, blobs, folder):
    put(folder, f"{IMAGE}.part", (release.root / IMAGE).read_bytes())
    download(folder, base_url=server.url, blobs={IMAGE: blobs[IMAGE]})
    assert server.asked == []
    assert git_blob_id(folder / IMAGE) == blobs[IMAGE]


@pytest.mark.parametrize("n_bytes", [10, 10**6])
def test_a_part_of_something_else_is_fetched_from_the_start(server, blobs, folder, n_bytes):
    put(folder, f"{COUNTS}.part", bytes(n_bytes))
    download(folder, base_url=server.url, blobs={COUNTS: blobs[COUNTS]})
    assert git_blob_id(folder / COUNTS) == blobs[COUNTS]


def test_a_broken_connection_is_taken_up_again(server, blobs, folder):
    server.cuts[IMAGE] = 80_000  # of which one whole chunk is written
    download(folder, base_url=server.url, blobs={IMAGE: blobs[IMAGE]})
    assert server.asked == [(IMAGE, None), (IMAGE, "bytes=65536-")]
    assert git_blob_id(folder / IMAGE) == blobs[IMAGE]


def test_a_busy_server_is_asked_again(server, blobs, folder):
    server.fails[COUNTS] = [503, 429]
    download(folder, base_url=server.url, blobs={COUNTS: blobs[COUNTS]})
    assert git_blob_id(folder / COUNTS) == blobs[COUNTS]


def test_a_truncated_file_is_reported_and_kept_aside(server, release, blobs, folder):
    (release.root / COUNTS).write_bytes((release.root / COUNTS).read_bytes()[:-30])
    with pytest.raises(DataError, match=r"B1.tsv.gz: wrong content, kept as 'B1.tsv.gz.wrong' \(git blob id"):
        download(folder, base_url=server.url, blobs=blobs)
    assert check(folder, blobs=blobs) == {COUNTS: "missing"}
    assert (folder / f"{COUNTS}.wrong").is_file()


def test_missing_and_wrong_files_cost_only_themselves(server, release, blobs, folder):
    (release.root / COUNTS).unlink()
    (release.root / IMAGE).write_bytes(b"not this one")
    with pytest.raises(DataError, match=rf"2 of {len(blobs)} files of her2st could not be fetched.*404.*Run the"):
        download(folder, base_url=server.url, blobs=blobs)
    assert check(folder, blobs=blobs) == {COUNTS: "missing", IMAGE: "missing"}


def test_the_second_run_fetches_only_what_failed(server, release, blobs, folder):
    content = (release.root / COUNTS).read_bytes()
    (release.root / COUNTS).unlink()
    with pytest.raises(DataError, match="1 of"):
        download(folder, base_url=server.url, blobs=blobs)
    (release.root / COUNTS).write_bytes(content)
    server.asked.clear()
    download(folder, base_url=server.url, blobs=blobs)
    assert server.asked == [(COUNTS, None)]


def test_many_failures_are_counted_not_all_named(server, release, blobs, folder):
    for path in blobs:
        (release.root / path).unlink()
    with pytest.raises(DataError, match=rf"{len(blobs)} of {len(blobs)} files .*; and {len(blobs) - 5} more"):
        download(folder, base_url=server.url, blobs=blobs)


def test_without_a_server_the_rest_is_not_tried(blobs, folder):
    with pytest.raises(DataError, match="not tried, as the server cannot be reached"):
        download(folder, base_url="http://127.0.0.1:9", blobs=dict(list(blobs.items())[:5]))


def test_a_second_download_is_refused(server, blobs, folder):
    folder.mkdir(parents=True)
    with FileLock(folder / ".download.lock"), pytest.raises(DataError, match=r"another download to '.*' is running"):
        download(folder, base_url=server.url, blobs=blobs)


def test_a_folder_that_is_a_file_is_refused(server, blobs, tmp_path):
    (tmp_path / "file").mkdir()
    (tmp_path / "file" / "her2st").touch()
    with pytest.raises(DataError, match=r"cannot write to '.*her2st': File exists"):
        download(tmp_path / "file", base_url=server.url, blobs=blobs)


def test_poochs_log_level_is_put_back(server, blobs, folder):
    before = pooch.get_logger().level
    download(folder, base_url=server.url, blobs={COUNTS: blobs[COUNTS]})
    assert pooch.get_logger().level == before


def test_checking_nothing_says_where_it_looked(tmp_path):
    with pytest.raises(DataError, match="her2st was not found"):
        check(tmp_path)


def test_the_real_release_is_unaltered(her2st_root):
    wrong = check(her2st_root)
    assert set(wrong.values()) <= {"missing"}
    assert COUNTS not in wrong
