"""Weights are looked for in order, and their absence says everywhere and how."""

import hashlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import platformdirs
import pytest
from huggingface_hub import constants

from histobench import Weights, WeightsError
from histobench.weights.locate import (
    check_digest,
    find_file,
    find_weights,
    locate_weights,
    name_files,
    weights_hash,
    weights_root,
)

WEIGHTS = Weights(hub_id="lab/model")
COMMIT = "c" * 40
CONTENT = b"the weights"


class Hub(BaseHTTPRequestHandler):
    """As much of the Hugging Face hub as a download asks of it."""

    files: dict[str, bytes]
    gated = False

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        content = self._answer()
        self.wfile.write(content)

    def _answer(self) -> bytes:
        content = self.files.get(self.path.rpartition("/")[2], b"")
        found = bool(content) and not self.gated
        self.send_response(200 if found else 403 if self.gated else 404)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content) if found else 0))
        if not found:
            self.send_header("X-Error-Code", "GatedRepo" if self.gated else "EntryNotFound")
        self.end_headers()
        return content if found else b""

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


def move_hub(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """Do what HF_ENDPOINT does before the hub's client is imported."""
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for weights; no cache, and a hub that does not answer."""
    monkeypatch.setenv("HISTOBENCH_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("HISTOBENCH_WEIGHTS_FILES", "")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    move_hub(monkeypatch, "http://127.0.0.1:9")
    return tmp_path / "weights"


@pytest.fixture
def hub(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    """A hub that answers, without any files."""
    handler = type("OwnHub", (Hub,), {"files": {}})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        move_hub(monkeypatch, f"http://127.0.0.1:{server.server_port}")
        yield handler
        server.shutdown()


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONTENT)
    return path


def put_into_hub_cache() -> Path:
    repository = Path(constants.HF_HUB_CACHE) / "models--lab--model"
    put(repository / "refs" / "main").write_text(COMMIT)
    return put(repository / "snapshots" / COMMIT / "pytorch_model.bin")


def test_a_folder_with_the_encoders_name_comes_first(folder: Path) -> None:
    put(folder / "lab" / "model" / "model.safetensors")
    mine = put(folder / "mine" / "pytorch_model.bin")
    assert find_weights("mine", WEIGHTS) == mine


def test_a_folder_with_the_hubs_name_comes_second(folder: Path) -> None:
    put_into_hub_cache()
    theirs = put(folder / "lab" / "model" / "model.safetensors")
    assert find_weights("mine", WEIGHTS) == theirs


def test_the_hubs_cache_comes_third(folder: Path, hub: type[Hub]) -> None:
    hub.files = {"model.safetensors": b"newer"}
    cached = put_into_hub_cache()
    assert find_weights("mine", WEIGHTS) == cached


def test_the_preferred_file_wins(folder: Path) -> None:
    put(folder / "mine" / "pytorch_model.bin")
    (folder / "mine" / "model.safetensors").write_bytes(CONTENT)
    assert find_weights("mine", WEIGHTS).name == "model.safetensors"


def test_the_hub_is_asked_last(hub: type[Hub]) -> None:
    hub.files = {"pytorch_model.bin": CONTENT}
    assert find_weights("mine", WEIGHTS).read_bytes() == CONTENT


def test_a_hub_without_the_files_is_told(hub: type[Hub]) -> None:
    with pytest.raises(WeightsError, match="and the hub has none of these files"):
        find_weights("mine", WEIGHTS)


def test_a_hub_that_refuses_is_told(hub: type[Hub]) -> None:
    hub.gated = True
    with pytest.raises(WeightsError, match=r"model\.safetensors could not be fetched \(.*403"):
        find_weights("mine", WEIGHTS)


def test_an_absent_hub_is_noticed_at_once(folder: Path) -> None:
    began = time.monotonic()
    with pytest.raises(WeightsError, match=r"http://127\.0\.0\.1:9 does not answer"):
        find_weights("mine", WEIGHTS)
    assert time.monotonic() - began < 10


def test_a_hub_is_not_asked_when_offline(hub: type[Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    hub.files = {"model.safetensors": CONTENT}
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsError, match="was not asked, because HF_HUB_OFFLINE is set"):
        find_weights("mine", WEIGHTS)


def test_missing_free_weights_name_every_place_and_the_folder_to_use(folder: Path) -> None:
    with pytest.raises(WeightsError) as raised:
        find_weights("mine", WEIGHTS)
    message = str(raised.value)
    for place in (folder / "mine", folder / "lab" / "model", constants.HF_HUB_CACHE):
        assert str(place) in message
    assert message.endswith(f"try again with a network; or put model.safetensors into {folder / 'mine'}.")


def test_a_named_file_comes_before_every_folder(folder: Path, tmp_path: Path) -> None:
    put(folder / "mine" / "model.safetensors")
    named = put(tmp_path / "elsewhere" / "any-name.pth")
    name_files([f"mine={named}"])
    assert find_weights("mine", WEIGHTS) == named
    assert locate_weights("other", WEIGHTS) is None


def test_the_last_file_named_wins(folder: Path, tmp_path: Path) -> None:
    files = [put(tmp_path / name) for name in ("one.pth", "two.pth")]
    for file in files:
        name_files([f"mine={file}"])
    assert find_weights("mine", WEIGHTS) == files[1]


def test_a_named_file_that_is_gone_is_never_replaced(folder: Path, tmp_path: Path) -> None:
    put(folder / "mine" / "model.safetensors")
    named = put(tmp_path / "gone.pth")
    name_files([f"mine={named}"])
    named.unlink()
    with pytest.raises(WeightsError, match=r"named for encoder 'mine' are not there: no file '.*gone\.pth'"):
        find_weights("mine", WEIGHTS)


@pytest.mark.parametrize(
    ("pair", "sentence"),
    [("mine", r"named as ENCODER=FILE, got 'mine'"), ("mine=/no/such", r"'mine' are not there: no file '/no/such'")],
)
def test_a_badly_named_file_is_refused(folder: Path, pair: str, sentence: str) -> None:
    with pytest.raises(WeightsError, match=sentence):
        name_files([pair])


def test_locating_touches_no_network(hub: type[Hub]) -> None:
    hub.files = {"model.safetensors": CONTENT}
    assert locate_weights("mine", WEIGHTS) is None


@pytest.mark.parametrize(("where", "place"), [("folder", "weights folder"), ("cache", "hub cache")])
def test_the_place_is_told(folder: Path, where: str, place: str) -> None:
    path = put(folder / "mine" / "model.safetensors") if where == "folder" else put_into_hub_cache()
    located = locate_weights("mine", WEIGHTS)
    assert located is not None
    assert (located.path, located.place) == (path, place)


def test_a_file_beside_the_weights_is_found_and_fetched(folder: Path, hub: type[Hub]) -> None:
    hub.files = {"config.json": b"{}"}
    assert find_file("mine", WEIGHTS, "config.json").read_bytes() == b"{}"
    mine = put(folder / "mine" / "config.json")
    assert find_file("mine", WEIGHTS, "config.json") == mine


def test_weights_that_are_not_on_the_hub_name_their_page(folder: Path) -> None:
    elsewhere = Weights(hub_id="", files=("net.pth",), page="https://lab.example/net")
    with pytest.raises(WeightsError) as raised:
        find_weights("mine", elsewhere)
    message = str(raised.value)
    assert f"they are not in {folder / 'mine'}, and they are not on the hub" in message
    assert message.endswith(f"https://lab.example/net: fetch them by hand and put net.pth into {folder / 'mine'}.")


def test_a_published_digest_is_held_against_the_file(tmp_path: Path) -> None:
    path = put(tmp_path / "net.pth")
    right = Weights(hub_id="", digests={"net.pth": f"md5:{hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()}"})
    assert check_digest(path, right) == ""
    wrong = Weights(hub_id="", digests={"net.pth": "md5:0dc7e345"})
    assert check_digest(path, wrong).endswith("published is 0dc7e345")


def test_the_hash_is_that_of_the_content(folder: Path, tmp_path: Path) -> None:
    path = put(tmp_path / "net.pth")
    assert weights_hash(path) == hashlib.sha256(CONTENT).hexdigest()


def test_the_hash_is_remembered_between_processes(folder: Path, tmp_path: Path) -> None:
    path = put(tmp_path / "net.pth")
    weights_hash(path)
    (note,) = (folder / ".hashes").glob("*.json")
    note.write_text(note.read_text().replace(hashlib.sha256(CONTENT).hexdigest(), "remembered"))
    ask = "import sys, pathlib, histobench.weights.locate as w; print(w.weights_hash(pathlib.Path(sys.argv[1])))"
    told = subprocess.run([sys.executable, "-c", ask, str(path)], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "remembered"


def test_the_hash_follows_a_changed_file(folder: Path, tmp_path: Path) -> None:
    path = put(tmp_path / "net.pth")
    before = weights_hash(path)
    path.write_bytes(CONTENT + b"!")
    assert weights_hash(path) != before


def test_finding_weights_loads_no_torch() -> None:
    code = "import sys, histobench.weights.locate; print('torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"


def test_the_environment_moves_the_folder(folder: Path) -> None:
    assert weights_root() == folder


def test_the_folder_lies_in_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HISTOBENCH_WEIGHTS", raising=False)
    assert weights_root() == platformdirs.user_cache_path("histobench") / "weights"
