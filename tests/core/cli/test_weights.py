"""Published checkpoints from the command line: converted, refused, and evaluated without training."""

import json
import os
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from histobench.results.store import read_predictions
from histobench.testing.toy import CELL_TYPES, GENES

Say = Callable[..., object]

pytestmark = pytest.mark.usefixtures("published")


def line(n: int, seed: int = 0) -> dict[str, Tensor]:
    """A published checkpoint: (n, 2) weights and n biases under the publisher's names."""
    draw = torch.Generator().manual_seed(seed)
    return {"net.weight": torch.randn(n, 2, generator=draw) / 1000, "net.bias": torch.randn(n, generator=draw)}


@pytest.fixture
def names(tmp_path: Path) -> Path:
    file = tmp_path / "names.txt"
    file.write_text("\n".join(CELL_TYPES) + "\n")
    return file


def convert(say: Say, file: Path, *arguments: object):
    return say("weights", "convert", "plane", file, "--out", file.with_name("ours.safetensors"), *arguments)


def saved(tmp_path: Path, state: object) -> Path:
    file = tmp_path / "theirs.pt"
    torch.save(state, file)
    return file


def evaluate(say: Say, tmp_path: Path, *arguments: object):
    weights = f"plane.weights={tmp_path / 'ours.safetensors'}"
    study = ("run", "--datasets", "field", "--methods", "plane", "--set", weights, "--metrics", "rmse")
    return say(*study, "--out", tmp_path / "out", "--no-tracking", *arguments)


def records(tmp_path: Path) -> list[dict]:
    found = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("out/jobs/*/record.json"))]
    return [record for record in found if record["job"]["method"] == "plane"]


# converting


@pytest.mark.parametrize("wrapped", ["plain", "state_dict", "model_state_dict", "parallel", "safetensors"])
def test_checkpoint_converts_however_it_is_wrapped(say: Say, tmp_path: Path, names: Path, wrapped: str) -> None:
    state = line(5)
    if wrapped == "safetensors":
        file = tmp_path / "theirs.safetensors"
        save_file(state, file)
    elif wrapped == "parallel":
        file = saved(tmp_path, {"model": {f"module.{name}": tensor for name, tensor in state.items()}, "epoch": 3})
    else:
        file = saved(tmp_path, state if wrapped == "plain" else {wrapped: state, "optimizer": {"lr": 0.1}})
    said = convert(say, file, "--targets", names)
    assert said.code == 0, said.err
    ours = load_file(tmp_path / "ours.safetensors")
    assert set(ours) == {"weight", "bias"}
    assert torch.equal(ours["weight"], state["net.weight"])


def test_what_is_left_out_and_what_follows_is_told(say: Say, tmp_path: Path, names: Path) -> None:
    state = {"net.weight": line(5)["net.weight"], "decoder": torch.ones(3)}
    said = convert(say, saved(tmp_path, state), "--targets", names)
    assert "left out: 1 tensors: it is of no use in prediction" in said.err
    assert "set from the checkpoint: plane.bias=False" in said.err


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({**line(5), "extra": torch.ones(2)}, "unexpected: extra"),
        ({"net.weight": torch.ones(5, 3), "net.bias": torch.ones(5)}, "weight is (5, 3) and must be (5, 2)"),
        ({"net.weight": torch.ones(5, 2), "net.bias": torch.ones(4)}, "bias is (4,) and must be (5,)"),
        ({"other": torch.ones(5, 2)}, "it has no tensor 'net.weight'"),
        ({"net.weight": torch.ones(4, 2), "net.bias": torch.ones(4)}, "predicts 4 targets, but 5 names are given"),
        ({"net.weight": torch.full((5, 2), torch.nan)}, "'net.weight' holds values that are not finite"),
        ({**line(5), "weight": torch.ones(5, 2)}, "'net.weight' and 'weight' of the checkpoint are both 'weight'"),
        ({"net.weight": 3}, "under 'net.weight' holds int"),
        ([1, 2], "holds list"),
        ({}, "holds nothing"),
    ],
)
def test_what_is_not_the_methods_is_refused_by_name(
    say: Say, tmp_path: Path, names: Path, state: object, words: str
) -> None:
    said = convert(say, saved(tmp_path, state), "--targets", names)
    assert said.code == 2
    assert words in said.err
    assert not list(tmp_path.glob("ours*"))


def test_missing_tensors_are_named(say: Say, tmp_path: Path, names: Path) -> None:
    said = convert(
        say, saved(tmp_path, {"net.weight": torch.ones(5, 2)}), "--targets", names, "--set", "plane.bias=true"
    )
    assert said.code == 2
    assert "tensors missing: bias." in said.err


class Command:
    """What a malicious pickle holds: a call, made while it is loaded."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return os.system, (f"touch {self.file}",)


@pytest.mark.parametrize("how", ["torch", "torch-legacy", "pickle", "hidden"])
def test_malicious_file_is_refused_and_runs_nothing(say: Say, tmp_path: Path, names: Path, how: str) -> None:
    trace, file = tmp_path / "trace", tmp_path / "theirs.pt"
    if how == "pickle":
        file.write_bytes(pickle.dumps(Command(trace)))
    elif how == "torch-legacy":
        torch.save(Command(trace), file, _use_new_zipfile_serialization=False)
    else:
        torch.save({**line(5), "optimizer": Command(trace)} if how == "hidden" else Command(trace), file)
    said = convert(say, file, "--targets", names)
    assert said.code == 2
    assert "nothing of it was executed" in said.err
    assert said.err.count("\n") == 1
    assert not trace.exists()
    with file.open("rb") as opened:  # the file is what it seems: another reader would have run it
        if how == "pickle":
            pickle.load(opened)  # noqa: S301 -- the test's own file
            assert trace.exists()


@pytest.mark.parametrize("how", ["truncated", "truncated-safetensors", "empty", "foreign", "absent", "folder"])
def test_damaged_file_is_refused(say: Say, tmp_path: Path, names: Path, how: str) -> None:
    file = tmp_path / "theirs.bin"
    if how == "truncated":
        torch.save(line(50), file)
        file.write_bytes(file.read_bytes()[:-300])
    elif how == "truncated-safetensors":
        save_file(line(50), file)
        file.write_bytes(file.read_bytes()[:-3])
    elif how == "folder":
        file.mkdir()
    elif how != "absent":
        file.write_bytes(b"" if how == "empty" else b"<html>not found</html>")
    said = convert(say, file, "--targets", names)
    assert said.code == 2
    assert str(file) in said.err
    assert said.err.count("\n") == 1


def test_file_that_holds_itself_is_refused(say: Say, tmp_path: Path, names: Path) -> None:
    state: dict[str, object] = {}
    state["state_dict"] = state
    said = convert(say, saved(tmp_path, state), "--targets", names)
    assert said.code == 2
    assert "must hold tensors by name" in said.err


def test_checkpoint_is_not_written_over(say: Say, tmp_path: Path, names: Path) -> None:
    file = saved(tmp_path, line(5))
    before = file.read_bytes()
    said = say("weights", "convert", "plane", file, "--out", file, "--targets", names)
    assert said.code == 2
    assert "the result needs another file name" in said.err
    assert file.read_bytes() == before


def test_targets_must_be_named(say: Say, tmp_path: Path) -> None:
    said = convert(say, saved(tmp_path, line(5)))
    assert said.code == 2
    assert "--targets" in said.err


def test_cell_types_are_the_datasets_where_as_many_are_predicted(say: Say, tmp_path: Path) -> None:
    said = convert(say, saved(tmp_path, line(5)), "--dataset", "field")
    assert said.code == 0
    assert "assuming those of field, cell_abundance, in order" in said.err


def test_repeated_name_is_refused(say: Say, tmp_path: Path, names: Path) -> None:
    names.write_text("a\nb\na\nc\nd\n")
    said = convert(say, saved(tmp_path, line(5)), "--targets", names)
    assert said.code == 2
    assert "line 3: the name 'a' is repeated" in said.err


def test_method_without_checkpoints_says_so(say: Say, tmp_path: Path) -> None:
    file = saved(tmp_path, line(5))
    said = say("weights", "convert", "silent", file, "--out", tmp_path / "ours.safetensors")
    assert said.code == 2
    assert "'silent' cannot convert published checkpoints" in said.err


def test_encoder_for_a_method_without_one_is_refused(say: Say, tmp_path: Path, names: Path) -> None:
    said = convert(say, saved(tmp_path, line(5)), "--targets", names, "--encoder", "resnet18")
    assert said.code == 2
    assert "plane does not take an encoder" in said.err


# evaluating


def predicted(tmp_path: Path) -> Mapping[str, np.ndarray]:
    job = records(tmp_path)[0]["job_id"]
    return {result.slide_id: result for result in read_predictions(tmp_path / f"out/jobs/{job}/predictions.h5")}


def test_published_weights_are_evaluated_without_training(say: Say, tmp_path: Path) -> None:
    # in another order than the dataset's: columns are told apart by name
    backwards = tmp_path / "backwards.txt"
    backwards.write_text("\n".join(reversed(CELL_TYPES)))
    state = line(5)
    convert(say, saved(tmp_path, state), "--targets", backwards)
    said = evaluate(say, tmp_path, "--folds", "toy:1")
    assert said.code == 0, said.err
    assert "evaluated with published weights" in said.err
    assert "plane [published weights=" in said.out
    assert said.out.count("rmse per slide") == 1  # one board with the controls, whose order of columns is the dataset's
    (record,) = records(tmp_path)
    assert (record["seconds"]["fit"], record["n_train_spots"]) == (0, 0)
    assert any("may have seen these slides" in warning for warning in record["warnings"])
    result = next(iter(predicted(tmp_path).values()))
    wanted = result.xy_um @ state["net.weight"].numpy().T + state["net.bias"].numpy()
    np.testing.assert_allclose(result.predicted.values, wanted[:, ::-1], rtol=1e-5)
    assert result.predicted.names == CELL_TYPES


def test_options_of_the_checkpoint_hold_against_presets_and_yield_to_set(say: Say, tmp_path: Path, names: Path) -> None:
    convert(say, saved(tmp_path, {"net.weight": torch.ones(5, 2)}), "--targets", names)
    evaluate(say, tmp_path, "--preset", "quick", "--folds", "toy:1")
    assert records(tmp_path)[0]["job"]["options"] == {"bias": False, "halve": False}
    evaluate(say, tmp_path, "--set", "plane.halve=true", "--folds", "toy:1")
    assert {"bias": False, "halve": True} in [record["job"]["options"] for record in records(tmp_path)]


def test_another_file_is_another_job_and_the_same_elsewhere_is_not(say: Say, tmp_path: Path, names: Path) -> None:
    convert(say, saved(tmp_path, line(5)), "--targets", names)
    evaluate(say, tmp_path, "--folds", "toy:1", "--seeds", "0,1")
    assert len(records(tmp_path)) == 1
    ours = tmp_path / "ours.safetensors"
    ours.rename(tmp_path / "moved.safetensors")
    evaluate(say, tmp_path, "--folds", "toy:1", "--set", f"plane.weights={tmp_path / 'moved.safetensors'}")
    assert len(records(tmp_path)) == 1
    convert(say, saved(tmp_path, line(5, seed=1)), "--targets", names)
    evaluate(say, tmp_path, "--folds", "toy:1")
    assert len(records(tmp_path)) == 2


def genes(say: Say, tmp_path: Path, listed: tuple[str, ...]):
    file = tmp_path / "genes.txt"
    file.write_text("\n".join(listed))
    convert(say, saved(tmp_path, line(len(listed))), "--targets", file, "--kind", "gene_expression")
    return evaluate(say, tmp_path, "--targets", "gene_expression", "--folds", "toy:1")


def test_genes_of_the_checkpoint_are_the_panel(say: Say, tmp_path: Path) -> None:
    said = genes(say, tmp_path, (GENES[7], GENES[2], GENES[11]))
    assert said.code == 0, said.err
    (record,) = records(tmp_path)
    assert record["targets"] == [GENES[7], GENES[2], GENES[11]]
    assert record["panel"]["fitted_on"] == []


def test_gene_that_the_dataset_does_not_have_is_refused_by_name(say: Say, tmp_path: Path) -> None:
    said = genes(say, tmp_path, (GENES[7], "ERBB9"))
    assert said.code == 2
    assert "field does not have 'ERBB9'" in said.err


def test_other_cell_types_are_refused(say: Say, tmp_path: Path, names: Path) -> None:
    names.write_text("\n".join(CELL_TYPES[:4]))
    convert(say, saved(tmp_path, line(4)), "--targets", names)
    said = evaluate(say, tmp_path)
    assert said.code == 2
    assert f"it does not predict {CELL_TYPES[4]!r} of field" in said.err


def test_weights_of_another_kind_of_target_are_left_out(say: Say, tmp_path: Path, names: Path) -> None:
    convert(say, saved(tmp_path, line(5)), "--targets", names)
    said = evaluate(say, tmp_path, "--targets", "gene_expression")
    assert said.code == 2
    assert "its weights predict cell_abundance" in said.err


@pytest.mark.parametrize("how", ["absent", "theirs", "truncated", "header"])
def test_file_that_was_not_converted_is_refused(say: Say, tmp_path: Path, names: Path, how: str) -> None:
    ours = tmp_path / "ours.safetensors"
    if how == "theirs":
        save_file(line(5), ours)
    elif how == "header":
        save_file(line(5), ours, metadata={"histobench": '{"method": "plane"}'})
    elif how == "truncated":
        convert(say, saved(tmp_path, line(5)), "--targets", names)
        ours.write_bytes(ours.read_bytes()[:-1])
    said = evaluate(say, tmp_path)
    assert said.code == 2
    assert "write it with `histobench weights convert`" in said.err


def test_weights_without_a_file_are_refused_and_not_trained(say: Say, tmp_path: Path) -> None:
    said = say("run", "--datasets", "field", "--methods", "plane", "--set", "plane.weights=", "--out", tmp_path / "out")
    assert said.code == 2
    assert "plane.weights must name a file of converted weights, got None" in said.err


def test_weights_of_another_method_are_refused(say: Say, tmp_path: Path, names: Path) -> None:
    convert(say, saved(tmp_path, line(5)), "--targets", names)
    weights = f"silent.weights={tmp_path / 'ours.safetensors'}"
    said = say("run", "--datasets", "field", "--methods", "silent", "--set", weights, "--out", tmp_path / "out")
    assert said.code == 2
    assert "holds weights of 'plane', not of 'silent'" in said.err


def test_plan_estimates_an_evaluation(say: Say, tmp_path: Path, names: Path) -> None:
    convert(say, saved(tmp_path, line(5)), "--targets", names)
    weights = f"plane.weights={tmp_path / 'ours.safetensors'}"
    said = say("plan", "--datasets", "field", "--methods", "plane", "--set", weights, "--out", tmp_path / "out")
    row = next(line for line in said.out.splitlines() if line.startswith("plane"))
    assert said.code == 0
    assert row.rstrip().endswith(" s")
