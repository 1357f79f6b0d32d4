"""StyleGAN-G against the counts and worked values of its specification (``clip_gan.md``, sections 3.4 and 8)."""

import math

import pytest
import torch
from torch import Tensor, nn

from histobench_heads.clip_gan.discriminator import Head
from histobench_heads.clip_gan.features import to_patches
from histobench_heads.clip_gan.losses import angle_loss
from histobench_heads.clip_gan.mapping import ExpressionMlp, Mapping
from histobench_heads.clip_gan.operators import modulated_conv
from histobench_heads.clip_gan.synthesis import Synthesis, SynthesisShape
from histobench_heads.frames.clip.modules import GeneClip
from histobench_heads.frames.clip.options import ClipOptions

pytestmark = pytest.mark.reference

SHAPES = {"lite": (32768, 512, 2), "full": (65536, 2048, 3)}
PIXELS = ((0, 0, 0, 0), (1, 2, 31, 31), (0, 1, 16, 7), (1, 0, 5, 20))
NOT_FILLED = ("transform", "resample_filter")


def fill(module: nn.Module) -> nn.Module:
    """Set every parameter and buffer by the specification's rule."""
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if name.endswith(NOT_FILLED):
            continue
        shift = sum(map(ord, name)) % 97
        k = torch.arange(tensor.numel(), dtype=torch.float64)
        values = (0.5 * torch.sin(0.7 * k + shift)).float().reshape(tensor.shape)
        if name.endswith(("weight_u", "weight_v")):
            values = values / values.norm()
        with torch.no_grad():
            tensor.copy_(values)
    return module.eval()


def synthesis(res_blocks: int) -> Synthesis:
    shape = SynthesisShape(w_dim=96, image_px=32, channel_base=1024, channel_max=64, res_blocks=res_blocks)
    network = fill(Synthesis(shape))
    assert isinstance(network, Synthesis)
    return network


def modulation() -> Tensor:
    return torch.sin(0.3 * torch.arange(96.0) + torch.arange(2.0)[:, None])


def at(tensor: Tensor, *places: tuple[int, ...]) -> list[float]:
    return [float(tensor[place]) for place in places]


@pytest.mark.parametrize(
    ("name", "side", "expected"),
    [
        ("lite", 64, 65_503_523),
        ("lite", 128, 72_148_011),
        ("lite", 256, 74_585_523),
        ("full", 64, 932_292_907),
        ("full", 128, 959_153_461),
    ],
)
def test_synthesis_has_the_published_parameters(name: str, side: int, expected: int) -> None:
    base, most, pairs = SHAPES[name]
    with torch.device("meta"):
        network = Synthesis(
            SynthesisShape(w_dim=576, image_px=side, channel_base=base, channel_max=most, res_blocks=pairs)
        )
    assert sum(p.numel() for p in network.parameters()) == expected


@pytest.mark.parametrize(("block", "expected"), [(8, 14_139_659), (16, 17_121_288), (128, 6_644_488), (256, 2_437_512)])
def test_blocks_have_the_published_parameters(block: int, expected: int) -> None:
    with torch.device("meta"):
        network = Synthesis(SynthesisShape(w_dim=576, image_px=256))
    assert sum(p.numel() for p in network.get_submodule(f"b{block}").parameters()) == expected


@pytest.mark.parametrize(
    ("side", "pairs", "expected"), [(64, 2, 21), (128, 2, 26), (256, 2, 31), (64, 3, 29), (128, 3, 36)]
)
def test_layers_are_modulated_one_by_one(side: int, pairs: int, expected: int) -> None:
    with torch.device("meta"):
        network = Synthesis(SynthesisShape(w_dim=8, image_px=side, res_blocks=pairs))
    assert network.num_ws == expected


@pytest.mark.parametrize(
    ("side", "base", "most", "expected"), [(32, 1024, 32, 178_421), (64, 2048, 64, 589_659), (64, 2048, 32, 243_611)]
)
def test_small_synthesis_has_the_stated_parameters(side: int, base: int, most: int, expected: int) -> None:
    shape = SynthesisShape(w_dim=96, image_px=side, channel_base=base, channel_max=most, res_blocks=1)
    assert sum(p.numel() for p in Synthesis(shape).parameters()) == expected


def test_mapping_and_encoder_have_the_published_parameters() -> None:
    assert sum(p.numel() for p in Mapping().parameters()) == 8_320
    with torch.device("meta"):
        assert sum(p.numel() for p in ExpressionMlp(18_248).parameters()) == 19_476_225


@pytest.mark.parametrize(
    ("pairs", "noise", "layers", "mean", "std", "pixels"),
    [
        (1, "none", 10, -0.005594, 0.281448, (0.31687, -0.17126, -0.08066, 0.37874)),
        (1, "const", 10, -0.003619, 0.287397, (0.38397, -0.17230, -0.00855, 0.37936)),
        (2, "none", 16, -0.023592, 0.325835, (0.29545, -0.42908, 0.05613, 0.35657)),
        (2, "const", 16, -0.025640, 0.320547, (0.33960, -0.48205, -0.00204, 0.21554)),
    ],
)
@pytest.mark.parametrize("fused", [True, False])
def test_synthesis_draws_the_worked_image(
    pairs: int, noise: str, layers: int, mean: float, std: float, pixels: tuple[float, ...], fused: bool
) -> None:
    network = synthesis(pairs).train(not fused)
    assert network.num_ws == layers
    with torch.no_grad():
        image = network(modulation()[:, None].expand(-1, layers, -1), noise=noise)
    assert [float(image.mean()), float(image.std()), *at(image, *PIXELS)] == pytest.approx(
        [mean, std, *pixels], abs=1e-4
    )


def test_first_block_gives_the_worked_values() -> None:
    block = synthesis(1).get_submodule("b8")
    w = modulation()
    with torch.no_grad():
        waves = block.get_submodule("input")(w)
        x, rgb = block(None, None, iter([w] * 4), noise="none")
    assert at(waves, (0, 0, 0, 0), (1, 5, 3, 4)) == pytest.approx([-0.020203, -0.460291], abs=1e-4)
    assert [float(x.mean()), float(x.std())] == pytest.approx([-0.131079, 0.768533], abs=1e-4)
    assert at(rgb, (0, 0, 0, 0), (1, 1, 7, 7)) == pytest.approx([0.375685, 0.323741], abs=1e-4)


def test_second_block_gives_the_worked_values() -> None:
    network, w = synthesis(1), modulation()
    with torch.no_grad():
        x, _ = network.get_submodule("b8")(None, None, iter([w] * 4), noise="none")
        style = network.get_submodule("b16.convs1.1.affine")(w)
        up = network.get_submodule("b16.conv0")(x, w, noise="none")
        residual = network.get_submodule("b16.convs1.1")(up, w, noise="none")
    assert style[0, :3].tolist() == pytest.approx([-0.341215, 0.029421, 0.289015], abs=1e-4)
    assert at(up, (0, 0, 0, 0), (1, 3, 9, 15)) == pytest.approx([-0.687970, 0.407191], abs=1e-4)
    assert at(residual, (0, 0, 0, 0), (1, 3, 9, 15)) == pytest.approx([0.683666, -0.510454], abs=1e-4)


@pytest.mark.parametrize(
    ("truncation", "expected"),
    [(1.0, (0.000695, 0.003675, 0.004940, 0.003891)), (0.5, (-0.191716, -0.248159, -0.187882, -0.039236))],
)
def test_mapping_gives_the_worked_values(truncation: float, expected: tuple[float, ...]) -> None:
    z = torch.sin(0.5 * torch.arange(64.0) + torch.arange(2.0)[:, None])
    with torch.no_grad():
        mapped = fill(Mapping())(z, truncation=truncation)
    assert mapped[1, :4].tolist() == pytest.approx(list(expected), abs=1e-4)


def test_styles_begin_at_two() -> None:
    affine = Synthesis(SynthesisShape(w_dim=8, image_px=8, channel_max=32)).get_submodule("b8.torgb.affine")
    with torch.no_grad():
        assert affine(torch.zeros(1, 8)).tolist() == [[2.0] * 32]


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("demodulate", [False, True])
def test_fused_and_unfused_convolution_agree(up: bool, demodulate: bool) -> None:
    draws = torch.Generator().manual_seed(0)
    x, weight, style = (torch.randn(s, generator=draws) for s in ((3, 4, 8, 8), (5, 4, 3, 3), (3, 4)))
    one, other = (modulated_conv(x, weight, style, demodulate=demodulate, up=up, fused=f) for f in (True, False))
    assert one.shape == (3, 5, 16, 16) if up else (3, 5, 8, 8)
    assert float((one - other).abs().max()) < 1e-5 * max(1.0, float(one.abs().max())) * math.e


def test_a_head_has_the_published_parameters_and_names() -> None:
    with torch.device("meta"):
        head = Head(384, 512)
    assert sum(p.numel() for p in head.parameters()) == 1_534_336
    shapes = {name: tuple(tensor.shape) for name, tensor in head.state_dict().items()}
    assert shapes["main.0.0.weight_orig"] == (384, 384, 1)
    assert shapes["main.1.fn.0.weight_v"] == (3456,)
    assert shapes["cls.weight_orig"] == (64, 384, 1)
    assert shapes["cmapper.weight"] == (64, 512)


def test_a_small_head_has_the_stated_parameters() -> None:
    assert sum(p.numel() for p in Head(32, 32).parameters()) == 14_656


def test_a_head_gives_the_worked_values() -> None:
    head = fill(Head(32, 16))
    x = torch.sin(0.2 * torch.arange(4 * 32 * 9.0)).reshape(4, 32, 9)
    condition = torch.cos(0.4 * torch.arange(64.0)).reshape(4, 16)
    with torch.no_grad():
        logits = head(x, condition)
    assert logits.shape == (4, 1, 9)
    found = [*logits[0, 0, :3].tolist(), float(logits[3, 0, 8]), float(logits.mean())]
    assert found == pytest.approx([-0.808945, -0.789400, -0.825250, -0.793247, -0.804605], abs=1e-4)


def test_the_angle_loss_has_the_worked_value() -> None:
    i, j = torch.arange(5.0)[:, None], torch.arange(8.0)
    one, other = (nn.functional.normalize(v, dim=1) for v in (torch.sin(3 * i + 0.7 * j), torch.cos(i + 0.3 * j)))
    rows = [float(angle_loss(one[[k]], other[[k]])) for k in range(5)]
    assert rows == pytest.approx([0.552090, 3.845975, 3.452178, 0.940586, 2.874111], abs=1e-4)
    assert float(angle_loss(one, other)) == pytest.approx(2.332988, abs=1e-4)


def test_an_area_resize_is_adaptive_average_pooling() -> None:
    images = torch.rand(2, 3, 64, 64) * 2 - 1
    patches = to_patches(images, 224)
    area = nn.functional.interpolate((images + 1) * 127.5, size=224, mode="area")
    torch.testing.assert_close(patches.permute(0, 3, 1, 2), area)


def test_the_frozen_gene_branch_has_the_published_parameters() -> None:
    with torch.device("meta"):
        clip = GeneClip(18_248, 1024, ClipOptions())
    genes = [p.numel() for name, p in clip.named_parameters() if name.startswith("gene_")]
    assert sum(genes) == 352_482_184
