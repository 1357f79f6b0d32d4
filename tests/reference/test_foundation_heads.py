"""LinearProbing, MLP and FMMLP against the numbers of their specification (specs/foundation_heads.md)."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from histobench import FitContext, PatchGeometry
from histobench.training.adapters import tuned_encoder
from histobench_encoders.entries import ENTRIES
from histobench_encoders.timm_encoder import TimmEncoder
from histobench_heads.catalogue import METHODS
from histobench_heads.foundation.method import LinearProbing, Mlp
from histobench_heads.foundation.modules import MlpModule
from histobench_heads.foundation.options import FmMlpOptions, LinearOptions, MlpOptions
from histobench_heads.frames.spotwise.method import Blueprint

pytestmark = pytest.mark.reference

PARAMETERS = {card.name: card.parameters for card in METHODS}


def _blueprint(features: int, n_targets: int) -> Blueprint:
    names = tuple(f"type {number}" for number in range(n_targets))
    return Blueprint(features=features, targets=names, auxiliary=(), mode="frozen", seed=0)


def _mlp(features: int, n_targets: int, width: int = 512, backbone: nn.Module | None = None) -> MlpModule:
    method = Mlp(MlpOptions(hidden=width, projection=width))
    module = method.make_module(_blueprint(features, n_targets), backbone)
    assert isinstance(module, MlpModule)
    return module


WIDTHS = {
    2560: (204_880, 99_879, 1_879_632, 1_858_599, 808_784, 798_247),
    1536: (122_960, 59_943, 1_355_344, 1_334_311, 546_640, 536_103),
    1024: (82_000, 39_975, 1_093_200, 1_072_167, 415_568, 405_031),
    768: (61_520, 29_991, 962_128, 941_095, 350_032, 339_495),
    512: (41_040, 20_007, 831_056, 810_023, 284_496, 273_959),
}
"""Width of the encoder → LinearProbing, MLP, MLP of width 256, each for 80 and 39 types."""


@pytest.mark.parametrize("features", WIDTHS)
def test_parameter_counts_are_the_published_ones(features: int, rule: SimpleNamespace) -> None:
    linear = LinearProbing(LinearOptions())
    with torch.device("meta"):
        counts = [
            *(rule.count(linear.make_module(_blueprint(features, n), None)) for n in (80, 39)),
            *(rule.count(_mlp(features, n)) for n in (80, 39)),
            *(rule.count(_mlp(features, n, width=256)) for n in (80, 39)),
        ]
    assert tuple(counts) == WIDTHS[features]


@pytest.mark.parametrize(("encoder", "features"), [("virchow2", 2560), ("uni", 1024)])
def test_cards_tell_the_published_counts(encoder: str, features: int) -> None:
    assert ENTRIES[encoder].dim == features
    linear, mlp = PARAMETERS["linear-probe"], PARAMETERS["mlp"]
    told = [counts[f"{encoder}, {n} cell types"] for counts in (linear, mlp) for n in (80, 39)]
    assert tuple(told) == WIDTHS[features][:4]


def test_the_card_of_mlp_tells_the_published_counts_of_width_256() -> None:
    assert tuple(PARAMETERS["mlp"][f"virchow2, {n} cell types, width 256"] for n in (80, 39)) == WIDTHS[2560][4:]


def test_mlp_has_the_published_buffers() -> None:
    assert sum(b.numel() for b in _mlp(2560, 39).buffers()) == 2_050


def test_mlp_has_the_published_names() -> None:
    heads = [f"projector_head.{index}" for index in (0, 1, 4, 5, 8)] + ["regression_head"]
    assert [name for name, _ in _mlp(2560, 39).named_parameters()] == [
        f"{h}.{p}" for h in heads for p in ("weight", "bias")
    ]


@pytest.mark.parametrize(
    ("n_targets", "total", "trained"), [(80, 633_446_864, 2_207_440), (39, 633_425_831, 2_186_407)]
)
def test_fmmlp_on_virchow2_has_the_published_count(
    n_targets: int, total: int, trained: int, rule: SimpleNamespace
) -> None:
    encoder = TimmEncoder("virchow2", ENTRIES["virchow2"], geometry=PatchGeometry())
    with torch.device("meta"):
        backbone = tuned_encoder(FitContext(seed=0, mode="lora", encoder=encoder))
        module = _mlp(2560, n_targets, backbone=backbone)
    assert (rule.count(module), rule.count(module, trained=True)) == (total, trained)
    said = f"virchow2 with adapters, {n_targets} cell types"
    assert (PARAMETERS["fmmlp"][said], PARAMETERS["fmmlp"][f"{said}, trained"]) == (total, trained)


def test_linear_probing_follows_the_fill_rule(rule: SimpleNamespace) -> None:
    module = rule.fill(LinearProbing(LinearOptions()).make_module(_blueprint(2560, 39), None))
    expected = [-0.00765, 0.05861, 0.10561, 0.09654, 0.07395, 0.00453, 0.07387]
    assert rule.summary(module(rule.wave(4, 2560))) == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_mlp_follows_the_fill_rule(rule: SimpleNamespace) -> None:
    module = rule.fill(_mlp(2560, 39))
    features = rule.wave(4, 2560)
    embedding = [-0.12216, 0.15887, 0.38944, 0.55962, -0.05162, -0.00034, 0.68429]
    predicted = [-0.50787, -0.27430, 0.01612, 0.34261, -0.06261, 0.19821, 0.74811]
    assert rule.summary(module.embed(features)) == pytest.approx(embedding, rel=1e-3, abs=1e-5)
    assert rule.summary(module(features)) == pytest.approx(predicted, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("options", [LinearOptions(), MlpOptions(), FmMlpOptions()], ids=["linear", "mlp", "fmmlp"])
def test_the_published_recipe_is_the_default(options: LinearOptions | MlpOptions | FmMlpOptions) -> None:
    recipe = (options.loss, options.epochs, options.batch, options.lr, options.weight_decay, options.schedule)
    assert recipe == ("rmse", 100, 128, 2e-3, 1e-4, "onecycle")


def test_the_published_adapters_are_the_default() -> None:
    options = FmMlpOptions()
    adapters = (options.lora_rank, options.lora_alpha, options.lora_dropout, options.lora_last_blocks)
    assert adapters == (8, 16, 0.1, 2)


def test_fmmlp_adapts_virchow2_as_published() -> None:
    slot = next(card.encoder for card in METHODS if card.name == "fmmlp")
    assert slot is not None
    assert (slot.default, slot.default_mode, slot.scratch, slot.scratch_mode) == (
        "virchow2",
        "lora",
        "vit-tiny",
        "full",
    )
