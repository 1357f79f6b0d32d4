"""`histobench weights list|where|fetch|check`, and files named for a run."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

Say = Callable[..., object]


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of weights, an empty cache, no hub."""
    monkeypatch.setenv("HISTOBENCH_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("HISTOBENCH_WEIGHTS_FILES", "")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "weights"


@pytest.fixture
def resnet(tmp_path: Path) -> Path:
    path = tmp_path / "resnet18.safetensors"
    save_file(timm.create_model("resnet18").state_dict(), path)
    return path


def test_list_tells_access_licence_and_what_is_here(say: Say, root: Path) -> None:
    (root / "uni").mkdir(parents=True)
    (root / "uni" / "model.safetensors").write_bytes(b"")
    listed = {line.split()[0]: line for line in say("weights", "list").out.splitlines()}
    assert "gated" in listed["virchow2"]
    assert listed["virchow2"].endswith("no")
    assert listed["uni"].endswith("(weights folder)")
    assert "not needed" in listed["vit-tiny"]
    assert "by hand" in listed["ctranspath"]
    assert "TCGA, PAIP" in listed["ctranspath"]


def test_where_names_every_place_and_the_way_to_get_them(say: Say, root: Path) -> None:
    said = say("weights", "where", "virchow2[cls]")
    for place in (root / "virchow2" / "model.safetensors", root / "paige-ai" / "Virchow2" / "pytorch_model.bin"):
        assert str(place) in said.out
    assert "--weights virchow2=FILE" in said.out
    assert "virchow2: not here. They are gated: ask for access at https://huggingface.co/paige-ai/Virchow2" in said.out


def test_where_shows_the_file_that_will_be_used(say: Say, root: Path) -> None:
    folder = root / "MahmoodLab" / "UNI"
    folder.mkdir(parents=True)
    (folder / "pytorch_model.bin").write_bytes(b"")
    assert f"uni: {folder / 'pytorch_model.bin'} (weights folder)" in say("weights", "where", "uni").out


def test_an_encoder_without_weights_is_told(say: Say) -> None:
    said = say("weights", "where", "vit-tiny")
    assert (said.code, "encoder 'vit-tiny' needs no weights." in said.err) == (2, True)


def test_fetch_without_a_hub_says_how(say: Say) -> None:
    said = say("weights", "fetch", "phikon")
    assert said.code == 2
    assert "the hub was not asked, because HF_HUB_OFFLINE is set. They are free at" in said.err


def test_fetch_leaves_alone_what_is_here(say: Say, root: Path, resnet: Path) -> None:
    (root / "resnet18.imagenet").mkdir(parents=True)
    resnet.rename(root / "resnet18.imagenet" / "model.safetensors")
    said = say("weights", "fetch", "resnet18.imagenet")
    assert (said.code, said.out.split(": ")[1]) == (0, "is here")


def test_check_loads_what_is_here_strictly(say: Say, root: Path, resnet: Path) -> None:
    (root / "timm" / "resnet18.tv_in1k").mkdir(parents=True)
    resnet.rename(root / "timm" / "resnet18.tv_in1k" / "model.safetensors")
    said = say("weights", "check")
    assert said.code == 0
    assert "resnet18.imagenet: loads strictly, sha256 " in said.out
    assert "1 checked, 0 wrong." in said.out


def test_check_fails_on_another_networks_file(say: Say, root: Path) -> None:
    (root / "uni").mkdir(parents=True)
    save_file({"cls_token": torch.ones(1)}, root / "uni" / "model.safetensors")
    said = say("weights", "check")
    assert said.code == 1
    assert "uni: WRONG: " in said.out
    assert "these are not the weights of encoder 'uni'" in said.out


def test_check_fails_on_what_was_asked_for_and_is_not_here(say: Say) -> None:
    said = say("weights", "check", "uni")
    assert (said.code, "uni: WRONG: not here. They are gated" in said.out) == (1, True)


def test_a_file_named_for_a_run_is_the_jobs_encoder(say: Say, tmp_path: Path, resnet: Path) -> None:
    encoder = ("--encoders", "resnet18.imagenet", "--weights", f"resnet18.imagenet={resnet}")
    said = say("plan", "--methods", "ridge", *encoder, "--no-probe", "--out", tmp_path / "out")
    assert said.code == 0
    assert "resnet18.imagenet" in said.out
    assert os.environ["HISTOBENCH_WEIGHTS_FILES"] == f"resnet18.imagenet={resnet}"


def test_a_file_named_for_a_run_that_is_not_there_stops_it(say: Say, tmp_path: Path) -> None:
    said = say("plan", "--methods", "ridge", "--weights", "uni=/no/such/file", "--out", tmp_path / "out")
    assert (said.code, "the weights named for encoder 'uni' are not there" in said.err) == (2, True)


def test_a_file_named_for_no_encoder_is_refused(say: Say, tmp_path: Path, resnet: Path) -> None:
    said = say("plan", "--methods", "ridge", "--weights", f"resnet18.imagenot={resnet}", "--out", tmp_path / "out")
    assert said.code == 2
    assert "resnet18.imagenet" in said.err  # what was meant
    said = say("plan", "--methods", "ridge", "--weights", f"resnet18.random={resnet}", "--out", tmp_path / "out")
    assert (said.code, "encoder 'resnet18.random' needs no weights" in said.err) == (2, True)


@pytest.mark.parametrize(
    "name", ["hf-hub:../..", "hf-hub:../../x[cls][tta]", "pretrained:../../x", "pretrained:/etc/x"]
)
def test_a_name_that_leads_out_of_the_folder_of_weights_is_refused(say: Say, name: str) -> None:
    said = say("weights", "where", name)
    assert said.code == 2
    assert "must stay within the folder of weights" in said.err


def test_a_name_that_the_hub_cannot_have_is_refused(say: Say) -> None:
    said = say("weights", "where", "hf-hub:a/b/c")
    assert said.code == 2
    assert "'a/b/c' is not a name of a model on the hub" in said.err


@pytest.mark.parametrize("how", ["cyclic", "numbered"])
def test_check_refuses_what_is_no_state_dict(say: Say, root: Path, how: str) -> None:
    state: dict[object, object] = {} if how == "cyclic" else {1: torch.ones(2)}
    if how == "cyclic":
        state["model"] = state
    folder = root / "resnet18.imagenet"
    folder.mkdir(parents=True)
    torch.save(state, folder / "pytorch_model.bin")
    said = say("weights", "check", "resnet18.imagenet")
    assert said.code == 1
    assert "must hold tensors by name" in said.out


def test_a_folder_of_weights_whose_name_is_too_long_is_told_in_a_sentence(
    say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HISTOBENCH_WEIGHTS", "a" * 300)
    said = say("weights", "list")
    assert said.code == 2
    assert said.err.startswith("histobench: File name too long: 'aaa")
