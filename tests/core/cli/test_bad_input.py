"""The user's mistakes: one clear sentence, exit code 2, no traceback, nothing lost."""

import os
import platform
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

Say = Callable[..., object]


def refused(said, *words: str) -> None:
    """Exit code 2, one sentence on standard error that holds these words, no traceback."""
    assert said.code == 2, (said.out, said.err)
    assert "Traceback" not in said.err
    last = said.err.strip().splitlines()[-1]
    assert last.startswith(("histobench: ", "Error: "))
    for word in words:
        assert word in last


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--methods", "hist2cel"], ["no method named 'hist2cel'", "Did you mean 'hist2cell'?"]),
        (["--datasets", "her2stt"], ["no dataset named 'her2stt'", "Did you mean 'her2st'?"]),
        (["--methods", "ridge", "--encoders", "resnet81"], ["no encoder named 'resnet81'"]),
        (["--methods", "ridge", "--encoders", "vit-tiny@thawed"], ["no mode of an encoder named 'thawed'"]),
        (["--metrics", "pearsen"], ["no metric named 'pearsen'", "'pearson'"]),
        (["--targets", "cell_abundances"], ["no target of 'synthetic' named 'cell_abundances'"]),
        (["--scheme", "leave-one-out"], ["no scheme of 'synthetic' named 'leave-one-out'"]),
        (["--folds", "P9", "--methods", "mean"], ["no fold of 'synthetic' named 'P9'"]),
        (["--preset", "quickly"], ["no preset named 'quickly'", "'quick'"]),
        (["--methods", "cuca", "--set", "cuca.lrr=1"], ["no option of 'cuca' named 'lrr'", "'lr'"]),
        (["--methods", "cuca", "--set", "cuca.lr=fast"], ["options of 'cuca'", "'lr'", "'fast'"]),
        (["--methods", "cuca", "--set", "mlp.lr=1"], ["no method of this study named 'mlp'"]),
        (["--methods", "cuca", "--set", "cuca.lr"], ["expected NAME.OPTION=VALUE"]),
        (["--methods", "mean", "--epochs", "0"], ["epochs", "greater than or equal to 1"]),
        (["--methods", "mean", "--seeds", "one"], ["seeds"]),
        (["--methods", "mean", "--workers", "0"], ["workers"]),
        (["--methods", "mean", "--device", "tpu"], ["--device must be auto, cpu, cuda or cuda:N, got 'tpu'"]),
        (["--methods", "mean", "--device", "cuda:7"], ["this machine has 0 CUDA devices"]),
        (["--methods", "mean", "--precision", "8"], ["precision"]),
        (["--datasets", "her2st", "--data-root", "/nowhere/at/all"], ["/nowhere/at/all"]),
        (["--config", "/nowhere/study.yaml"], ["cannot read the configuration"]),
    ],
)
def test_mistake_is_refused_in_one_sentence(say: Say, tmp_path: Path, arguments: list[str], words: list[str]) -> None:
    refused(say("run", *arguments, "--out", tmp_path / "out"), *words)
    assert not (tmp_path / "out" / "jobs").exists()


def test_yaml_with_a_typo_gets_a_suggestion(say: Say, tmp_path: Path) -> None:
    study = tmp_path / "study.yaml"
    study.write_text("method: [ridge]\n")
    refused(say("run", "--config", study, "--out", tmp_path / "out"), "no setting named 'method'", "'methods'")


@pytest.mark.parametrize(("value", "words"), [("lr=[", "cannot read the value of"), ("lr", "expected OPTION=VALUE")])
def test_option_of_pretraining_that_is_no_value_is_refused(say: Say, tmp_path: Path, value: str, words: str) -> None:
    refused(say("pretrain", "--datasets", "synthetic", "--out", tmp_path / "x.safetensors", "--set", value), words)


def test_text_that_is_no_yaml_is_refused(say: Say, tmp_path: Path) -> None:
    study = tmp_path / "study.yaml"
    study.write_text("methods: [ridge\nseeds: }")
    refused(say("run", "--config", study, "--out", tmp_path / "out"), "is not YAML")


def test_yaml_list_is_refused(say: Say, tmp_path: Path) -> None:
    study = tmp_path / "study.yaml"
    study.write_text("- ridge\n")
    refused(say("run", "--config", study, "--out", tmp_path / "out"), "must hold 'setting: value' lines")


def test_output_folder_that_is_a_file_is_refused(say: Say, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("precious")
    refused(say("run", "--methods", "mean", "--out", out), "is a file, or is below a file")
    assert out.read_text() == "precious"


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="needs a file system that nobody may write to: /proc")
def test_read_only_output_folder_is_refused(say: Say) -> None:
    # /proc refuses even root, whom a folder's permissions do not stop
    refused(say("run", "--methods", "mean", "--out", "/proc/histobench"), "cannot be")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_is_named(monkeypatch: pytest.MonkeyPatch, say: Say, tmp_path: Path) -> None:
    partial = ".writable"
    # every write to this link ends in a real ENOSPC from the kernel
    out = tmp_path / "out"
    (out / "jobs").mkdir(parents=True)
    host = platform.node().partition(".")[0]
    (out / f".{partial}.{host}-{os.getpid()}-{threading.get_ident()}.partial").symlink_to("/dev/full")
    refused(say("run", "--methods", "mean", "--out", out), "the disk under", "is full")


def test_virchow2_without_weights_says_where_to_put_them(say: Say, tmp_path: Path) -> None:
    said = say("run", "--methods", "ridge", "--encoders", "virchow2", "--out", tmp_path / "out")
    refused(said, "virchow2", "paige-ai/Virchow2", "model.safetensors")


def test_unknown_command_is_refused(say: Say) -> None:
    refused(say("rum"), "No such command 'rum'")


def test_results_of_no_study_are_refused(say: Say, tmp_path: Path) -> None:
    refused(say("results", "--out", tmp_path), "holds no study")


def test_show_of_an_unknown_name_gets_a_suggestion(say: Say) -> None:
    refused(say("show", "peerson"), "Did you mean 'pearson'?")


def test_download_of_a_generated_dataset_is_refused(say: Say) -> None:
    refused(say("data", "download", "synthetic"), "needs no files")
    refused(say("data", "check", "synthetic"), "needs no files")


def test_mode_that_a_method_cannot_take_is_left_out_with_a_reason(say: Say, tmp_path: Path) -> None:
    said = say("run", "--methods", "ridge", "--encoders", "vit-tiny@full", "--out", tmp_path / "out")
    refused(said, "it takes an encoder frozen, not full")


def test_adapters_on_a_convolutional_encoder_are_left_out_with_a_reason(say: Say, tmp_path: Path) -> None:
    said = say("run", "--methods", "cuca", "--encoders", "resnet18.random@lora", "--out", tmp_path / "out")
    refused(said, "low-rank adapters do not apply to 'resnet18.random'")


def test_target_without_one_usable_slide_gives_the_reasons(say: Say, tmp_path: Path, her2st_root: Path) -> None:
    # the sections with a pathologist's labels have no image here
    said = say(
        "run", "--datasets", "her2st", "--targets", "label", "--data-root", her2st_root, "--out", tmp_path / "out"
    )
    refused(said, "leave-one-patient-out", "forms no fold")


def test_published_fold_that_cannot_be_formed_is_named(say: Say, tmp_path: Path, her2st_root: Path) -> None:
    asked = ("--datasets", "her2st", "--scheme", "cuca-4fold", "--folds", "0", "--methods", "mean")
    said = say("run", *asked, "--data-root", her2st_root, "--out", tmp_path / "out")
    refused(said, "fold '0' of 'her2st' cannot be formed", "none of its test slides is usable here")
