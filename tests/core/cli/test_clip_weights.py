"""A contrastive model's checkpoint in its authors' layout, from the file to its scores."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from histobench.cache import Cache
from histobench.contracts.registry import Registry
from histobench.images.embedding import Compute, slide_embeddings
from histobench.results.store import read_predictions
from histobench.study.samples import open_encoder
from histobench.testing import ToyDataset
from histobench.testing.toy import GENES

Say = Callable[..., Any]  # Any: what was said, from tests/core/conftest.py

READ = (*GENES[5:25], "ERBB9")  # the last is not among the counted genes
WIDTH, LATENT = 60, 8

pytestmark = pytest.mark.usefixtures("published")


def drawn(*sizes: tuple[int, ...], seed: int) -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return [torch.randn(size, generator=draw) / 10 for size in sizes]


def checkpoint() -> dict[str, Any]:
    """Draw a checkpoint as the specification tabulates it (clip_gan, section 2.2)."""

    def projection(seed: int) -> dict[str, Any]:
        names = ("projection.weight", "projection.bias", "fc.weight", "fc.bias")
        tensors = drawn((LATENT, WIDTH), (LATENT,), (LATENT, LATENT), (LATENT,), seed=seed)
        kwargs = {"input_dim": WIDTH, "latent_dim": LATENT, "dropout": 0.8, "residual": True, "norm_latent": False}
        return {"projection_kwargs": kwargs, "projection_state_dict": dict(zip(names, tensors, strict=True))}

    n = len(READ)
    encoder = dict(
        zip(
            ("l1.weight", "l1.bias", "l2.weight", "l2.bias"),
            drawn((n, n), (n,), (WIDTH, n), (WIDTH,), seed=2),
            strict=True,
        )
    )
    kwargs = {"input_dim": n, "output_dim": WIDTH, "dropout": 0.8}
    return {"image": projection(0), "gex": {"encoder_kwargs": kwargs, "encoder_state_dict": encoder, **projection(1)}}


def placed(state: dict[str, torch.Tensor], features: torch.Tensor) -> np.ndarray:
    """Project as section 2.1 says, without dropout."""
    p = features @ state["projection.weight"].T + state["projection.bias"]
    out = torch.nn.functional.gelu(p) @ state["fc.weight"].T + state["fc.bias"] + p
    return torch.nn.functional.normalize(out, dim=1).numpy()


def test_a_published_checkpoint_is_converted_and_retrieves_beside_its_control(say: Say, tmp_path: Path) -> None:
    held = checkpoint()
    torch.save(held, tmp_path / "theirs.pt")
    (tmp_path / "genes.txt").write_text("\n".join(READ))
    ours, encoder = tmp_path / "ours.safetensors", "colour-stats"
    said = say(
        *("weights", "convert", "clip-gan", tmp_path / "theirs.pt", "--kind", "retrieve", "--out", ours),
        *("--targets", tmp_path / "genes.txt", "--encoder", encoder),
    )
    assert said.code == 0, said.err
    said = say(
        *("run", "--datasets", "field", "--methods", "clip-gan", "--targets", "retrieve", "--folds", "toy:1"),
        *("--set", f"clip-gan.weights={ours}", "--encoders", encoder, "--metrics", "retrieval"),
        *("--out", tmp_path / "out", "--no-tracking", "--threads", "1"),
    )
    assert said.code == 0, said.err
    assert "field lacks 1 of the 21 genes that clip-gan reads, such as 'ERBB9'; they are read as not" in said.err
    assert said.out.count("retrieval per slide\n") == 1  # one board with colour-cca
    (path,) = (path for path in tmp_path.glob("out/jobs/*/record.json") if "theirs.pt" in path.read_text())
    assert json.loads(path.read_text())["seconds"]["fit"] == 0
    (result,) = read_predictions(path.with_name("predictions.h5"))

    toy = ToyDataset()
    slide = next(slide for slide in toy.slides("gene_expression") if slide.id == result.slide_id)
    table = toy.table(slide, "gene_expression")
    counts = np.zeros((len(table.spot_ids), len(READ)))
    counts[:, :-1] = table.counts.values[:, [table.counts.names.index(gene) for gene in READ[:-1]]]
    totals = counts.sum(axis=1, keepdims=True)
    scaled = np.log1p(counts / np.maximum(totals, 1) * np.median(totals[totals > 0])).astype(np.float32)
    gex = held["gex"]["encoder_state_dict"]
    hidden = torch.nn.functional.gelu(torch.from_numpy(scaled) @ gex["l1.weight"].T + gex["l1.bias"])
    hidden = torch.nn.functional.gelu(hidden @ gex["l2.weight"].T + gex["l2.bias"])
    np.testing.assert_allclose(result.observed.values, placed(held["gex"]["projection_state_dict"], hidden), atol=1e-5)
    network = open_encoder(Registry.load(), encoder, None)
    features = slide_embeddings(Cache(), network, toy.image(slide), table, name=encoder, how=Compute())
    seen = placed(held["image"]["projection_state_dict"], torch.from_numpy(features))
    np.testing.assert_allclose(result.predicted.values, seen, atol=1e-5)


def test_a_checkpoint_of_other_genes_is_refused(say: Say, tmp_path: Path) -> None:
    torch.save(checkpoint(), tmp_path / "theirs.pt")
    (tmp_path / "genes.txt").write_text("\n".join([*READ[:8], *(f"ENSG{number}" for number in range(13))]))
    ours = tmp_path / "ours.safetensors"
    say(
        *("weights", "convert", "clip-gan", tmp_path / "theirs.pt", "--kind", "retrieve", "--out", ours),
        *("--targets", tmp_path / "genes.txt", "--encoder", "colour-stats"),
    )
    said = say(
        *("plan", "--datasets", "field", "--methods", "clip-gan", "--targets", "retrieve", "--out", tmp_path / "out"),
        *("--set", f"clip-gan.weights={ours}", "--encoders", "colour-stats"),
    )
    assert said.code == 2
    assert "field does not have 'ENSG0', 'ENSG1', 'ENSG2' and 10 more" in said.err
