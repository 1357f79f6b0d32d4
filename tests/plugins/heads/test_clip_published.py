"""Checkpoints of the contrastive model in the authors' names, made here."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from histobench import DataError, FitContext
from histobench.contracts.published import Converted, ConvertRequest
from histobench.weights.foreign import read_foreign
from histobench_heads.frames.clip.fitting import embed_genes, embed_images
from histobench_heads.frames.clip.method import ClipRetrieval
from histobench_heads.frames.clip.modules import GeneClip
from histobench_heads.frames.clip.options import ClipOptions, RetrievalOptions
from histobench_heads.frames.clip.published import convert_clip
from histobench_heads.frames.saved import write_facts

GENES = tuple(f"G{number}" for number in range(12))
REQUEST = ConvertRequest(options=RetrievalOptions(), kind="retrieve", mode="frozen", targets=GENES, dim=10)
KWARGS = {"input_dim": 10, "latent_dim": 8, "dropout": 0.8, "residual": False, "norm_latent": True}


@pytest.fixture
def model() -> GeneClip:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return GeneClip(12, 10, ClipOptions(latent_dim=8, residual=False, norm_latent=True)).eval()


def _parts(model: GeneClip) -> dict[str, Any]:
    return {
        "image": {"projection_kwargs": KWARGS, "projection_state_dict": model.image_projection.state_dict()},
        "gex": {
            "encoder_kwargs": {"input_dim": 12, "output_dim": 10, "dropout": 0.8},
            "encoder_state_dict": model.gene_encoder.state_dict(),
            "projection_kwargs": KWARGS,
            "projection_state_dict": model.gene_projection.state_dict(),
        },
    }


def _lightning(model: GeneClip) -> dict[str, Any]:
    state: dict[str, Tensor] = {"img_encoder.0.model.cls_token": torch.zeros(1, 1, 10)}
    prefixes = {
        "image_projection": "img_encoder.1",
        "gene_encoder": "gex_encoder.0",
        "gene_projection": "gex_encoder.1",
    }
    for name, tensor in model.state_dict().items():
        part, _, rest = name.partition(".")
        state[f"{prefixes[part]}.{rest}"] = tensor
    return {"state_dict": state, "epoch": 3}


def _read(held: dict[str, Any], folder: Path) -> dict[str, Tensor]:
    torch.save(held, folder / "theirs.pt")
    return read_foreign(folder / "theirs.pt")


def _loaded(found: Converted, folder: Path, **options: Any) -> ClipRetrieval:
    method = ClipRetrieval(replace(RetrievalOptions(), **{**found.options, **options}))
    write_facts(folder, found.facts)
    save_file({name: tensor.contiguous() for name, tensor in found.tensors.items()}, folder / "weights.safetensors")
    method.load(folder, FitContext(seed=0))
    return method


def _embedded(model: GeneClip) -> np.ndarray:
    values = np.random.default_rng(0).random((5, 12)).astype(np.float32)
    return np.concatenate([embed_images(model, values[:, :10]), embed_genes(model, values)])


def test_the_authors_dict_gives_their_model(model: GeneClip, tmp_path: Path) -> None:
    method = _loaded(convert_clip(_read(_parts(model), tmp_path), REQUEST), tmp_path)
    assert method.model is not None
    np.testing.assert_array_equal(_embedded(method.model), _embedded(model))


def test_lightnings_checkpoint_gives_their_model_without_the_frozen_encoder(model: GeneClip, tmp_path: Path) -> None:
    found = convert_clip(_read(_lightning(model), tmp_path), REQUEST)
    assert found.left_out == {"img_encoder.0.model.cls_token": "the frozen encoder's own weights are used"}
    method = _loaded(found, tmp_path, residual=False)  # not in Lightning's file
    assert method.model is not None
    np.testing.assert_array_equal(_embedded(method.model), _embedded(model))


def test_what_the_shapes_say_becomes_an_option(model: GeneClip, tmp_path: Path) -> None:
    found = convert_clip(_read(_parts(model), tmp_path), REQUEST)
    assert dict(found.options) == {
        "latent_dim": 8, "hidden_dim": None, "norm_latent": True, "standardise": False, "residual": False,
        "dropout": pytest.approx(0.8),
    }  # fmt: skip
    assert found.facts["genes"] == list(GENES)


def test_another_width_of_features_is_refused(model: GeneClip, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="reads features of width 10, and the encoder gives 24"):
        convert_clip(_read(_parts(model), tmp_path), replace(REQUEST, dim=24))


def test_parts_made_differently_are_refused(model: GeneClip, tmp_path: Path) -> None:
    held = _parts(model)
    held["gex"]["projection_kwargs"] = {**KWARGS, "residual": True}
    with pytest.raises(DataError, match="must have the same 'residual', and they differ"):
        convert_clip(_read(held, tmp_path), REQUEST)


def test_an_unknown_setting_is_refused(model: GeneClip, tmp_path: Path) -> None:
    held = _parts(model)
    held["image"]["projection_kwargs"] = {**KWARGS, "gate": 1}
    with pytest.raises(DataError, match=r"'image.projection_kwargs.gate' = 1, which is not supported"):
        convert_clip(_read(held, tmp_path), REQUEST)


def test_another_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no tensor 'gene_encoder.l1.weight'"):
        convert_clip(_read({"fc.weight": torch.zeros(2, 2)}, tmp_path), REQUEST)


def test_prediction_from_a_checkpoint_is_refused() -> None:
    with pytest.raises(DataError, match="holds no training spots to predict gene_expression from"):
        convert_clip({}, replace(REQUEST, kind="gene_expression"))


def test_genes_must_be_named(model: GeneClip, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="predicts 12 targets but does not name them"):
        convert_clip(_read(_parts(model), tmp_path), replace(REQUEST, targets=()))
