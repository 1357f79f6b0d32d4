"""The operators of StyleGAN-G against cases computed by hand."""

import math

import pytest
import torch
from torch import nn

from histobench_heads.clip_gan.operators import (
    FIR,
    EqualisedLinear,
    bias_act,
    blur,
    modulated_conv,
    normalise_moment,
    upfirdn,
    upsample,
)


def test_upsampling_spreads_a_pixel_by_the_filter() -> None:
    image = torch.tensor([[16.0, 0.0], [0.0, 0.0]])[None, None]
    expected = [[9.0, 9.0, 3.0, 0.0], [9.0, 9.0, 3.0, 0.0], [3.0, 3.0, 1.0, 0.0], [0.0] * 4]
    assert upsample(image)[0, 0].tolist() == expected


def test_downsampling_gathers_by_the_filter() -> None:
    image = torch.zeros(1, 1, 4, 4)
    image[0, 0, 1, 1] = 64.0
    assert upfirdn(image, torch.tensor(FIR), down=2, padding=(1, 1))[0, 0].tolist() == [[9.0, 3.0], [3.0, 1.0]]


def test_upsampling_is_a_transposed_convolution() -> None:
    images = torch.rand(2, 3, 8, 8)
    kernel = torch.outer(torch.tensor(FIR), torch.tensor(FIR)) / 16
    transposed = nn.functional.conv_transpose2d(images, kernel.expand(3, 1, 4, 4), stride=2, padding=1, groups=3)
    torch.testing.assert_close(upsample(images), transposed, atol=3e-7, rtol=0)


def test_modulation_scales_inputs_and_demodulation_outputs() -> None:
    x, weight = torch.tensor([1.0, 4.0]).view(1, 2, 1, 1), torch.tensor([1.0, 2.0]).view(1, 2, 1, 1)
    style = torch.tensor([[3.0, 0.5]])
    plain, scaled = (modulated_conv(x, weight, style, demodulate=d) for d in (False, True))
    assert float(plain) == 1 * 3 * 1 + 2 * 0.5 * 4
    assert float(scaled) == pytest.approx(7 / math.sqrt(3**2 + 1**2))


def test_an_upsampling_convolution_filters_after_the_transposed_one() -> None:
    # a 3 × 3 kernel whose only weight is its first puts each pixel at its position among the zeros
    weight = torch.zeros(1, 1, 3, 3)
    weight[0, 0, 0, 0] = 1.0
    x = torch.tensor([[16.0, 0.0], [0.0, 0.0]])[None, None]
    y = modulated_conv(x, weight, torch.ones(1, 1), demodulate=False, up=True)
    assert y[0, 0].tolist() == [[9.0, 3.0, 0.0, 0.0], [3.0, 1.0, 0.0, 0.0], [0.0] * 4, [0.0] * 4]


def test_bias_then_activation_then_gain_then_clamp() -> None:
    x = torch.tensor([[-2.0, 1.0]])
    y = bias_act(x, torch.tensor([1.0, 1.0]), activation="lrelu", gain=10.0, clamp=5.0)
    assert y[0].tolist() == pytest.approx([-2.0, 5.0])
    own = bias_act(x, torch.zeros(2), activation="lrelu")
    assert own[0].tolist() == pytest.approx([-0.4 * math.sqrt(2), math.sqrt(2)])


def test_an_equalised_layer_scales_what_it_stores() -> None:
    layer = EqualisedLinear(4, 1, lr_multiplier=0.5, bias_init=3.0)
    assert layer.bias.tolist() == [6.0]
    nn.init.ones_(layer.weight)
    assert layer(torch.ones(1, 4)).item() == pytest.approx(4 * 0.5 / math.sqrt(4) + 3.0)


def test_a_narrow_blur_is_the_identity() -> None:
    images = torch.rand(1, 3, 4, 4)
    assert blur(images, 0.33) is images


def test_a_blur_halves_at_its_deviation() -> None:
    image = torch.zeros(1, 1, 9, 9)
    image[0, 0, 4, 4] = 1.0
    row = blur(image, 1.0)[0, 0, 4]
    taps = torch.tensor([2.0 ** -(k**2) for k in range(-3, 4)])
    torch.testing.assert_close(row[1:8] / row.sum(), taps / taps.sum())
    assert float(blur(image, 1.0).sum()) == pytest.approx(1.0)


def test_a_moment_is_normalised_to_one() -> None:
    assert normalise_moment(torch.tensor([[3.0, 4.0]])).square().mean().item() == pytest.approx(1.0)
