"""LinearProbing, MLP and FMMLP from checkpoints in the publisher's names, made here."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from histobench import DataError, FitContext, Mode
from histobench.contracts.cards import MethodCard
from histobench.contracts.options import options_from_json
from histobench.contracts.published import Converted, ConvertRequest
from histobench.testing import ToyEncoder, ToyFold, toy_fold, unlabelled
from histobench_heads.foundation.catalogue import FMMLP, LINEAR_PROBE, MLP
from histobench_heads.frames.saved import write_facts

SMALL = {"hidden": 16, "projection": 12}


@pytest.fixture(scope="module")
def fold() -> ToyFold:
    return toy_fold()


def _context(mode: Mode) -> FitContext:
    return FitContext(seed=0, mode=mode, encoder=None if mode == "frozen" else ToyEncoder())


def _request(fold: ToyFold, mode: Mode) -> ConvertRequest:
    dim = ToyEncoder().dim if mode != "frozen" else len(fold.train.embeddings[0])  # type: ignore[index]
    return ConvertRequest(
        options=None, kind="cell_abundance", mode=mode, targets=fold.train.targets.names, dim=dim, encoder_prefix=""
    )


def _fitted(card: MethodCard, fold: ToyFold, mode: Mode, **options: Any) -> tuple[np.ndarray, dict[str, Tensor]]:
    """Predictions for the test spots, and the tensors that make them, by our names."""
    method: Any = card.build(options_from_json(card, {"epochs": 1, "batch": 32, **options}))
    method.fit(fold.train, None, _context(mode))
    return method.predict(unlabelled(fold.test)).values, method._module.state_dict()


def _theirs(tensors: dict[str, Tensor], infix: str) -> dict[str, Tensor]:
    return {re.sub(r"^backbone\.", f"backbone.encoder.{infix}", name): tensor for name, tensor in tensors.items()}


def _predicted(card: MethodCard, found: Converted, folder: Path, fold: ToyFold, mode: Mode) -> np.ndarray:
    method = card.build(options_from_json(card, found.options))
    write_facts(folder, found.facts)
    save_file({name: tensor.contiguous() for name, tensor in found.tensors.items()}, folder / "weights.safetensors")
    method.load(folder, _context(mode))
    prediction = method.predict(unlabelled(fold.test))
    assert prediction.names == fold.train.targets.names
    return prediction.values


def test_linear_probing_is_read(fold: ToyFold, tmp_path: Path) -> None:
    expected, tensors = _fitted(LINEAR_PROBE, fold, "frozen", lr=0.1)
    assert LINEAR_PROBE.convert is not None
    found = LINEAR_PROBE.convert(tensors, _request(fold, "frozen"))
    np.testing.assert_array_equal(_predicted(LINEAR_PROBE, found, tmp_path, fold, "frozen"), expected)


def test_mlp_is_read_with_its_widths(fold: ToyFold, tmp_path: Path) -> None:
    expected, tensors = _fitted(MLP, fold, "frozen", **SMALL)
    assert MLP.convert is not None
    found = MLP.convert(tensors, _request(fold, "frozen"))
    assert found.options == {**SMALL, "batch_norm": True}
    np.testing.assert_array_equal(_predicted(MLP, found, tmp_path, fold, "frozen"), expected)


@pytest.mark.parametrize(("mode", "infix"), [("lora", "base_model.model."), ("full", "")])
def test_fmmlp_is_read_with_its_encoder(mode: Mode, infix: str, fold: ToyFold, tmp_path: Path) -> None:
    expected, tensors = _fitted(FMMLP, fold, mode, **SMALL)
    assert FMMLP.convert is not None
    found = FMMLP.convert(_theirs(tensors, infix), _request(fold, mode))
    np.testing.assert_array_equal(_predicted(FMMLP, found, tmp_path, fold, mode), expected)
    left = [name for name in tensors if name.startswith("backbone.") and "lora_" not in name] if mode == "lora" else []
    assert len(found.left_out) == len(left)


def test_a_frozen_encoder_in_the_checkpoint_is_left_to_its_own_weights(fold: ToyFold) -> None:
    _, tensors = _fitted(MLP, fold, "frozen", **SMALL)
    assert FMMLP.convert is not None
    found = FMMLP.convert({**tensors, "backbone.encoder.cls_token": torch.ones(1)}, _request(fold, "frozen"))
    assert found.left_out == {"backbone.encoder.cls_token": "the frozen encoder's own weights are used"}
    assert set(found.tensors) == set(tensors)


@pytest.mark.parametrize("card", [LINEAR_PROBE, MLP, FMMLP], ids=lambda card: card.name)
def test_a_foreign_checkpoint_is_refused(card: MethodCard, fold: ToyFold) -> None:
    assert card.convert is not None
    with pytest.raises(DataError, match="this is not a checkpoint of the method: it has no tensor"):
        card.convert({"fc.weight": torch.ones(2, 2)}, _request(fold, "frozen"))
