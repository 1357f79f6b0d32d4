"""A generator's published snapshot, from the file to its scores and to images on demand."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from histobench import Drawing
from histobench.testing.toy import GENES
from histobench_heads.clip_gan.drawing import draw_images
from histobench_heads.clip_gan.generator import GeneratorShape, make_generator
from histobench_heads.clip_gan.options import ClipGanOptions
from histobench_heads.frames.clip.modules import GeneClip

Say = Callable[..., Any]  # Any: what was said, from tests/core/conftest.py

OPTIONS = ClipGanOptions(
    patch_px=8, channel_base=256, channel_max=32, res_blocks=1, latent_dim=8, hidden_dim=6, standardise=False
)

pytestmark = pytest.mark.usefixtures("published")


def test_a_snapshot_is_scored_beside_its_controls_and_draws_on_demand(say: Say, tmp_path: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        clip = GeneClip(len(GENES), 10, OPTIONS)
        generator = make_generator(OPTIONS, GeneratorShape(n_genes=len(GENES), latent=8), clip)
    state = {f"G_ema.{name}": tensor for name, tensor in generator.state_dict().items()}
    for place, part in enumerate((clip.gene_encoder, clip.gene_projection)):
        state |= {f"G_ema.mapping.clip.gex_encoder.{place}.{name}": t for name, t in part.state_dict().items()}
    save_file(state, tmp_path / "snapshot.safetensors")  # as the reader of pickles gives it
    (tmp_path / "genes.txt").write_text("\n".join(GENES))
    ours = tmp_path / "ours.safetensors"
    said = say(
        *("weights", "convert", "clip-gan", tmp_path / "snapshot.safetensors", "--kind", "generate", "--out", ours),
        *("--targets", tmp_path / "genes.txt", "--encoder", "colour-stats"),
    )
    assert said.code == 0, said.err
    said = say(
        *("run", "--datasets", "field", "--methods", "clip-gan", "--targets", "generate", "--folds", "toy:1"),
        *("--set", f"clip-gan.weights={ours}", "--encoders", "colour-stats", "--judge", "colour-stats"),
        *("--metrics", "pearson", "--out", tmp_path / "out", "--no-tracking", "--threads", "1"),
    )
    assert said.code == 0, said.err
    assert said.out.count("pearson per slide\n") == 1  # one board with the controls
    (job,) = (path.parent for path in tmp_path.glob("out/jobs/*/job.json") if "clip-gan" in path.read_text())
    assert json.loads((job / "record.json").read_text())["seconds"]["fit"] == 0

    prompts = np.random.default_rng(0).normal(size=(2, 8)).astype(np.float32)
    np.save(tmp_path / "prompts.npy", prompts)
    asked = ("--study", tmp_path / "out", "--prompts", tmp_path / "prompts.npy", "--encoded")
    said = say("generate", job.name, *asked, "--n-samples", 1, "--out", tmp_path / "drawn")
    assert said.code == 0, said.err
    from_file = list(csv.DictReader((tmp_path / "drawn" / "manifest.csv").read_text().splitlines()))
    drawn = [np.asarray(Image.open(tmp_path / "drawn" / entry["file"])) for entry in from_file]
    np.testing.assert_array_equal(drawn, draw_images(generator.eval(), prompts, Drawing())[:, 0])

    ours.rename(tmp_path / "moved.safetensors")
    said = say("generate", job.name, *asked, "--out", tmp_path / "again")
    assert said.code == 2
    assert "there is no file of weights at" in said.err
