"""Weights are looked for in order, and their absence says everywhere and how."""

import hashlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import platformdirs
import pytest
from huggingface_hub import constants

from histobench import Weights, WeightsError
from histobench.registry import Registry
from histobench_encoders.catalogue import CARDS
from histobench_encoders.weights import find_weights, weights_root

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
    path.parent.mkdir(parents=True)
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
    assert message.endswith(f"or put model.safetensors into {folder / 'mine'}.")
    assert "try again with a network" in message


def test_missing_virchow2_says_how_to_get_access(folder: Path) -> None:
    registry = Registry()
    registry.encoders.cards.update({card.name: card for card in CARDS})
    with pytest.raises(
        WeightsError, match=r"encoder 'virchow2' .* gated: .*/paige-ai/Virchow2, then run 'hf auth login'"
    ):
        registry.encoders.get("virchow2").build(None)


def test_the_environment_moves_the_folder(folder: Path) -> None:
    assert weights_root() == folder


def test_the_folder_lies_in_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HISTOBENCH_WEIGHTS", raising=False)
    assert weights_root() == platformdirs.user_cache_path("histobench") / "weights"
