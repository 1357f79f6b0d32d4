"""The contrastive model against the numbers of its specification (specs/clip_gan.md, sections 2 and 8)."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from histobench_heads.frames.clip.modules import GeneClip, GeneEncoder, Projection, clip_loss
from histobench_heads.frames.clip.options import ClipOptions

pytestmark = pytest.mark.reference


def _fill(module: nn.Module) -> nn.Module:
    """Fill by the rule of section 8, which differs from that of the other specifications."""
    for name, parameter in module.named_parameters():
        phase = sum(map(ord, name)) % 97
        values = 0.5 * np.sin(0.7 * np.arange(parameter.numel(), dtype=np.float64) + phase)
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(values.reshape(parameter.shape).astype(np.float32)))
    return module.eval()


def _sides() -> tuple[Tensor, Tensor]:
    i, j = np.arange(5)[:, None], np.arange(8)[None, :]
    sides = np.sin(3 * i + 0.7 * j), np.cos(i + 0.3 * j)
    image, genes = (nn.functional.normalize(torch.from_numpy(side), dim=1) for side in sides)
    return image, genes


def test_parameter_counts_are_the_published_ones(rule: SimpleNamespace) -> None:
    with torch.device("meta"):
        model = GeneClip(18_248, 1024, ClipOptions())
    parts = (model.image_projection, model.gene_encoder, model.gene_projection, model)
    assert [rule.count(part) for part in parts] == [787_456, 351_694_728, 787_456, 353_269_640]


def test_a_layer_norm_adds_its_two_vectors(rule: SimpleNamespace) -> None:
    with torch.device("meta"):
        model = GeneClip(18_248, 1024, ClipOptions(norm_latent=True))
    assert rule.count(model.image_projection) == 787_456 + 2 * 512


@pytest.mark.parametrize(("temperature", "loss"), [(1.0, 1.597138), (0.1, 4.905677)])
def test_loss_is_the_specified_one(temperature: float, loss: float) -> None:
    assert float(clip_loss(*_sides(), temperature)) == pytest.approx(loss, abs=1e-6)


def test_loss_cannot_fall_below_its_floor_at_temperature_1() -> None:
    # the least there can be: every pair at cosine 1, all others at -1, which two directions cannot do beyond B = 2
    batch = 128
    assert math.log(1 + (batch - 1) * math.exp(-2)) == pytest.approx(2.90, abs=0.005)
    opposite = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64)
    assert float(clip_loss(opposite, opposite, 1.0)) == pytest.approx(math.log(1 + math.exp(-2)), abs=1e-12)


def test_gene_encoder_and_projection_give_the_specified_values() -> None:
    x = torch.from_numpy(np.sin(np.arange(24.0)).reshape(2, 12).astype(np.float32))
    encoder = _fill(GeneEncoder(12, 10, hidden=None, dropout=0.8))
    projection = _fill(Projection(10, 8, dropout=0.8, residual=True, norm_latent=False))
    with torch.no_grad():
        encoded = encoder(x)
        projected = projection(encoded)
    assert encoded[1, :3].tolist() == pytest.approx([-0.160082, -0.086875, 0.596727], abs=1e-5)
    assert projected[1, :4].tolist() == pytest.approx([0.040810, -0.916720, -1.421043, -1.253477], abs=1e-5)
