"""Embedding ahead of a study, and looking after what is cached, from the command line."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from histobench.cache import Cache

Say = Callable[..., object]

ENCODERS = '''
"""Two small encoders whose networks can be driven from outside."""

from histobench import EncoderCard, PatchGeometry, hookimpl
from histobench.testing import ToyEncoder
from histobench.training import seeded


class Driven(ToyEncoder):
    def frozen(self, device="cpu"):
        with seeded(0):
            return self.module().eval().requires_grad_(False).to(device)


@hookimpl
def register_encoders():
    return [
        EncoderCard(
            name=name, title=name, licence="MIT", url="https://example.org", citation="Anyone (2020)",
            dim=24, params=0, geometry=PatchGeometry(patch_px=32), precision="fp16", build=lambda geometry: Driven(),
        )
        for name in ("small", "other")
    ]
'''


@pytest.fixture(scope="session")
def encoder_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoders")
    (folder / "histobench_small.py").write_text(ENCODERS)
    info = folder / "histobench_small-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: histobench-small\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[histobench]\nplugin = histobench_small\n")
    return folder


@pytest.fixture(autouse=True)
def encoders(encoder_site: Path, monkeypatch: pytest.MonkeyPatch, trials: None) -> None:
    """The two encoders and the toy dataset, among the installed plugins."""
    monkeypatch.syspath_prepend(str(encoder_site))


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HISTOBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def embed(say: Say, *arguments: object, encoders: str = "small", datasets: str = "toy"):
    return say("embed", "--encoders", encoders, "--datasets", datasets, "--device", "cpu", *arguments)


def files(root: Path, kind: str) -> list[Path]:
    return sorted((root / kind).glob("*.h5"))


# embed


def test_every_slide_is_embedded_once(say: Say, root: Path) -> None:
    first = embed(say)
    assert first.code == 0
    assert f"4 slides embedded, 0 were in the cache, 0 failed: {root}" in first.out
    assert first.err.count("embedded: small, toy toy") == 4
    assert "60 patches" in first.err
    assert len(files(root, "embeddings")) == len(files(root, "patches")) == 4
    assert "0 slides embedded, 4 were in the cache" in embed(say).out


def test_a_study_finds_what_was_embedded(say: Say, root: Path, tmp_path: Path) -> None:
    embed(say, encoders="small")
    before = {path: path.stat().st_mtime_ns for path in files(root, "embeddings")}
    arguments = ("--methods", "ridge", "--encoders", "small", "--datasets", "toy", "--folds", "toy:1")
    said = say("run", *arguments, "--out", tmp_path / "out", "--no-tracking", "--metrics", "pearson", "--device", "cpu")
    assert said.code == 0
    kept = [json.loads(path.with_suffix(".json").read_text()) for path in files(root, "embeddings")]
    assert sum(manifest["key"]["encoder"] == "small" for manifest in kept) == len(before) == 4
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_another_encoder_uses_the_same_patches(say: Say, root: Path) -> None:
    embed(say)
    embed(say, "--batch-size", 16, encoders="other")
    assert (len(files(root, "patches")), len(files(root, "embeddings"))) == (4, 8)


@pytest.mark.slow
def test_workers_share_the_slides(say: Say, root: Path) -> None:
    said = embed(say, "--workers", 2)
    assert said.code == 0
    assert "4 slides embedded" in said.out
    assert len(files(root, "embeddings")) == 4


@pytest.mark.parametrize(("precision", "found"), [((), "fp32"), (("--embed-precision", "bf16"), "bf16")])
def test_a_cpu_computes_in_single_precision_if_not_told(
    say: Say, root: Path, precision: tuple[str, ...], found: str
) -> None:
    embed(say, *precision)
    keys = [json.loads(path.with_suffix(".json").read_text())["key"] for path in files(root, "embeddings")]
    assert {key["precision"] for key in keys} == {found}


def test_a_slide_that_cannot_be_embedded_costs_only_itself(
    say: Say, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from histobench.testing import ToyDataset

    table = ToyDataset.table

    def broken(self: ToyDataset, slide, target):
        if slide.id == "toy2":
            raise KeyError("a stranger's mistake")
        return table(self, slide, target)

    monkeypatch.setattr(ToyDataset, "table", broken)
    said = embed(say)
    assert said.code == 1
    assert "3 slides embedded, 0 were in the cache, 1 failed" in said.out
    assert "failed: small, toy toy2: KeyError" in said.err
    assert "a stranger's mistake" in said.err
    assert "Traceback" not in said.err


def test_a_mistake_is_told_in_a_sentence(say: Say) -> None:
    assert "Did you mean 'small'" in embed(say, encoders="smalls").err
    assert "named 'full'. Known: frozen" in embed(say, encoders="small@full").err
    assert "'--encoders'" in say("embed", "--datasets", "toy").err


# cache


@pytest.fixture
def filled(say: Say, root: Path) -> Path:
    embed(say)
    return root


def test_the_list_says_what_is_kept(say: Say, filled: Path) -> None:
    said = say("cache", "list")
    assert said.out.count("\nembeddings  toy") == said.out.count("\npatches     toy") == 4
    assert " small " in said.out
    assert "32 px of 224 px, fp32" in said.out
    assert "8 files," in said.out
    assert "4 files," in say("cache", "list", "--kind", "patches").out


def test_an_empty_cache_is_listed_verified_and_pruned(say: Say, root: Path) -> None:
    assert "0 files, 0.0 MiB" in say("cache", "list").out
    assert say("cache", "verify").code == 0
    assert "0 files were removed" in say("cache", "prune", "--all").out


def test_damage_is_found_and_removed(say: Say, filled: Path) -> None:
    spoilt = files(filled, "embeddings")[0]
    content = bytearray(spoilt.read_bytes())
    content[-1] ^= 1
    spoilt.write_bytes(content)
    (filled / "patches" / f"{'f' * 64}.h5").write_text("who am I?")
    said = say("cache", "verify")
    assert said.code == 1
    assert f"{spoilt}: its content is not what was written" in said.out
    assert "ffff.h5: it has no manifest" in said.out
    assert "7 files are intact, 2 are not; `histobench cache prune --damaged`" in said.out
    assert "2 files were removed" in say("cache", "prune", "--damaged").out
    assert say("cache", "verify").code == 0
    assert not spoilt.exists()


def test_what_a_killed_run_left_is_kept_until_asked(say: Say, filled: Path) -> None:
    left = filled / "embeddings" / f"{'0' * 64}.partial.h5"
    left.write_text("half")
    left.with_name(f"{'0' * 64}.progress").write_text('{"rows": 3}')
    said = say("cache", "verify")
    assert said.code == 0
    assert "1 files are unfinished" in said.err
    assert "1 files were removed" in say("cache", "prune", "--unfinished").out
    assert sorted(path.suffix for path in left.parent.glob("0*")) == [".lock"]


def test_a_strangers_file_in_the_cache_folder_is_never_removed(say: Say, root: Path) -> None:
    mine = root / "patches" / "my_drawing.png"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    for which in ("--all", "--damaged"):
        assert "0 files were removed" in say("cache", "prune", which).out
    assert mine.read_bytes() == b"mine"


@pytest.mark.parametrize("manifest", ['{"key": 3, "about": null}', '{"key": {"a": NaN}, "n_bytes": 3, "sha256": ""}'])
def test_a_manifest_that_is_not_ours_costs_only_its_file(say: Say, root: Path, manifest: str) -> None:
    (root / "patches").mkdir(parents=True)
    (root / "patches" / f"{'a' * 64}.h5").write_bytes(b"abc")
    (root / "patches" / f"{'a' * 64}.json").write_text(manifest)
    assert "no manifest" in say("cache", "list").out
    assert "0 files are intact, 1 are not" in say("cache", "verify").out


def test_one_encoders_embeddings_are_pruned(say: Say, filled: Path) -> None:
    embed(say, "--batch-size", 16, encoders="other")
    assert "4 files would be removed" in say("cache", "prune", "--encoder", "small", "--dry-run").out
    assert len(files(filled, "embeddings")) == 8
    assert "4 files were removed" in say("cache", "prune", "--encoder", "small").out
    assert len(files(filled, "embeddings")) == len(files(filled, "patches")) == 4


def test_old_files_are_pruned(say: Say, filled: Path) -> None:
    old = files(filled, "patches")[2]
    then = time.time() - 3 * 86400
    os.utime(old, (then, then))
    assert "1 files were removed" in say("cache", "prune", "--older-than", "2").out
    assert not old.exists()
    assert not old.with_suffix(".json").exists()


def test_pruning_needs_to_be_told_what(say: Say, filled: Path) -> None:
    said = say("cache", "prune")
    assert said.code == 2
    assert "choose what to remove" in said.err
    assert len(list(Cache().kept(("patches", "embeddings")))) == 8


def test_a_file_in_the_making_is_left_alone(say: Say, filled: Path) -> None:
    from filelock import FileLock

    with FileLock(files(filled, "patches")[0].with_suffix(".lock")):
        said = say("cache", "prune", "--kind", "patches")
    assert "not removed, because a run is writing it" in said.err
    assert "3 files were removed" in said.out
    assert len(files(filled, "patches")) == 1
