"""CUCA and CUCAMLP against the numbers of their specification (specs/cuca.md)."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from histobench import FitContext, PatchGeometry
from histobench.study.config import RunConfig, method_options
from histobench.training.adapters import tuned_encoder
from histobench_encoders.entries import ENTRIES
from histobench_encoders.timm_encoder import TimmEncoder
from histobench_heads.catalogue import METHODS
from histobench_heads.cuca.losses import cuca_losses, infonce
from histobench_heads.cuca.method import Cuca, CucaMlp
from histobench_heads.cuca.modules import CucaModule, CucaOutput
from histobench_heads.cuca.options import CucaMlpOptions, CucaOptions
from histobench_heads.frames.spotwise.method import Blueprint

pytestmark = pytest.mark.reference

CARD, CARD_MLP = (next(card for card in METHODS if card.name == name) for name in ("cuca", "cuca-mlp"))


def _module(n_targets: int, backbone: nn.Module | None, options: CucaOptions | None = None) -> CucaModule:
    """CUCA with a backbone, CUCAMLP without."""
    blueprint = Blueprint(
        features=2560,
        targets=tuple(f"type {number}" for number in range(n_targets)),
        auxiliary=tuple(f"gene {number}" for number in range(250)),
        mode="lora" if backbone else "frozen",
        seed=0,
    )
    method = CucaMlp(CucaMlpOptions()) if backbone is None else Cuca(options or CucaOptions())
    module = method.make_module(blueprint, backbone)
    assert isinstance(module, CucaModule)
    return module


def _virchow2(*, adapted: bool) -> nn.Module:
    encoder = TimmEncoder("virchow2", ENTRIES["virchow2"], geometry=PatchGeometry())
    if adapted:
        return tuned_encoder(FitContext(seed=0, mode="lora", encoder=encoder))
    return encoder._network().requires_grad_(False)


@pytest.mark.parametrize(
    ("adapted", "n_targets", "total", "trained"),
    [
        (True, 80, 635_670_218, 4_430_794),
        (True, 39, 635_649_185, 4_409_761),
        (False, 80, 635_342_410, 4_102_986),
        (False, 39, 635_321_377, 4_081_953),
    ],
)
def test_cuca_on_virchow2_has_the_published_count(
    adapted: bool, n_targets: int, total: int, trained: int, rule: SimpleNamespace
) -> None:
    with torch.device("meta"):
        module = _module(n_targets, _virchow2(adapted=adapted))
    assert (rule.count(module), rule.count(module, trained=True)) == (total, trained)
    if adapted:
        said = f"virchow2 with adapters, {n_targets} cell types"
        assert (CARD.parameters[said], CARD.parameters[f"{said}, trained"]) == (total, trained)


@pytest.mark.parametrize(
    ("encoder", "count", "adapters"), [("virchow2", 631_239_424, 327_808), ("uni", 303_350_784, 262_144)]
)
def test_encoders_and_their_adapters_have_the_published_count(
    encoder: str, count: int, adapters: int, rule: SimpleNamespace
) -> None:
    made = TimmEncoder(encoder, ENTRIES[encoder], geometry=PatchGeometry())
    with torch.device("meta"):
        module = tuned_encoder(FitContext(seed=0, mode="lora", encoder=made))
    trained = rule.count(module, trained=True)
    assert (rule.count(module) - trained, trained) == (count, adapters)


@pytest.mark.parametrize(("n_targets", "count"), [(80, 4_101_962), (39, 4_080_929)])
def test_cucamlp_has_the_published_count(n_targets: int, count: int, rule: SimpleNamespace) -> None:
    module = _module(n_targets, None)
    assert rule.count(module) == rule.count(module, trained=True) == count
    assert CARD_MLP.parameters[f"virchow2, {n_targets} cell types"] == count


@pytest.mark.parametrize(
    ("part", "closed", "open_"),
    [
        ("snn_branch", 2_222_330, 2_222_330),
        ("projector_head", 1_839_616, 1_838_592),
        ("regression_head", 20_007, 20_007),
    ],
)
def test_every_part_has_the_published_count(part: str, closed: int, open_: int, rule: SimpleNamespace) -> None:
    assert rule.count(_module(39, nn.Identity()).get_submodule(part)) == closed
    assert rule.count(_module(39, None).get_submodule(part)) == open_


@pytest.mark.parametrize(("backbone", "count"), [(nn.Identity(), 3_075), (None, 2_050)], ids=["cuca", "cucamlp"])
def test_buffers_have_the_published_count(backbone: nn.Module | None, count: int) -> None:
    assert sum(b.numel() for b in _module(39, backbone).buffers()) == count


def test_parameters_have_the_published_names() -> None:
    projector = [f"projector_head.{index}" for index in (0, 1, 4, 5, 8, 9)]
    molecular = [
        f"snn_branch.{part}" for part in ("fc_omic.0.0", "fc_omic.1.0", "fc_omic.2", "classifier.0", "classifier.3")
    ]
    names = [*projector, "regression_head", *molecular]
    assert [n for n, _ in _module(39, nn.Identity()).named_parameters()] == [
        f"{name}.{part}" for name in names for part in ("weight", "bias")
    ]


def test_the_molecular_branch_starts_as_published() -> None:
    torch.manual_seed(0)
    first = _module(39, None).snn_branch.fc_omic[0][0]
    assert first.weight.std().item() == pytest.approx(math.sqrt(2 / 1274), rel=0.01)
    assert not first.bias.any()


@pytest.mark.parametrize(("projection", "latent"), [(256, 256), (512, 512), (1024, 1024)])
def test_the_molecular_branch_has_the_width_of_the_projection(projection: int, latent: int) -> None:
    branch = _module(39, nn.Identity(), CucaOptions(projection=projection)).snn_branch
    assert [branch.fc_omic[0][0].out_features, branch.fc_omic[1][0].out_features] == [1024, 1024]
    assert branch.fc_omic[2].out_features == latent


def _filled(rule: SimpleNamespace, backbone: nn.Module | None) -> CucaOutput:
    module = rule.fill(_module(39, backbone))
    with torch.no_grad():
        output = module(rule.wave(4, 2560), rule.wave(4, 250, frequency=0.1).abs())
    assert isinstance(output, CucaOutput)
    return output


MOLECULAR = {
    "molecular_latent": [0.41153, 0.61878, 0.67575, 0.57617, 0.59216, 0.00134, 0.55009],
    "reconstruction": [0.10172, -0.02536, -0.19080, -0.37086, -0.61091, -0.00898, 0.39886],
}
CUCA = {
    "image_latent": [0, 0.21651, 0.35465, 0.44568, 0.04127, 0.30698, 0.37850],
    "abundances": [-0.98636, -0.92480, -0.76317, -0.51373, 0.66232, 0.08011, 0.70290],
    **MOLECULAR,
}
CUCAMLP = {
    "image_latent": [-0.12216, 0.15887, 0.38944, 0.55962, -0.05162, -0.00034, 0.68429],
    "abundances": [-0.50787, -0.27430, 0.01612, 0.34261, -0.06261, 0.19821, 0.74811],
    **MOLECULAR,
}


@pytest.mark.parametrize(("backbone", "table"), [(nn.Identity(), CUCA), (None, CUCAMLP)], ids=["cuca", "cucamlp"])
@pytest.mark.parametrize("output", ["image_latent", "abundances", "molecular_latent", "reconstruction"])
def test_outputs_follow_the_fill_rule(
    backbone: nn.Module | None, table: dict[str, list[float]], output: str, rule: SimpleNamespace
) -> None:
    found = rule.summary(getattr(_filled(rule, backbone), output))
    assert found == pytest.approx(table[output], rel=1e-3, abs=1e-5)


@pytest.mark.parametrize(
    ("backbone", "weights", "terms"),
    [
        (nn.Identity(), (0.3, 0.6, 0.1), (0.947598, 0.805498, 0.814483, 0.849027)),
        (None, (0.7, 0.2, 0.1), (0.923137, 0.805498, 0.882100, None)),
        (None, (0.3, 0.6, 0.1), (0.923137, 0.805498, 0.882100, 0.848450)),
    ],
    ids=["cuca", "cucamlp-published", "cucamlp-as-checked"],
)
def test_losses_follow_the_fill_rule(
    backbone: nn.Module | None,
    weights: tuple[float, float, float],
    terms: tuple[float, float, float, float | None],
    rule: SimpleNamespace,
) -> None:
    main, reconstruction, alignment = weights
    options = CucaOptions(weight_main=main, weight_reconstruction=reconstruction, weight_alignment=alignment)
    labels, genes = rule.wave(4, 39, frequency=0.2).abs(), rule.wave(4, 250, frequency=0.1).abs()
    losses = cuca_losses(_filled(rule, backbone), labels, genes, options=options)
    found = [losses[name].item() for name in ("main", "reconstruction", "alignment")]
    assert found == pytest.approx(terms[:3], rel=1e-4)
    total = terms[3] or sum(weight * term for weight, term in zip(weights, found, strict=True))
    assert losses["loss"].item() == pytest.approx(total, rel=1e-4)


def test_infonce_is_the_published_number() -> None:
    """abundance_protocol.md, section 5."""
    key: Tensor = torch.tensor([[1.0, 1.0], [1.0, -1.0]])
    assert infonce(torch.eye(2), key).item() == pytest.approx(71.0573, rel=1e-5)


@pytest.mark.parametrize(
    ("dataset", "trained", "frozen"),
    [
        ("her2st", (0.3, 0.6, 0.1), (0.7, 0.2, 0.1)),
        ("stnet", (0.2, 0.7, 0.1), (0.3, 0.6, 0.1)),
        ("humanlung", (0.3, 0.6, 0.1), (0.4, 0.5, 0.1)),
        ("another", (0.3, 0.6, 0.1), (0.7, 0.2, 0.1)),
    ],
)
def test_loss_weights_are_the_published_ones(
    dataset: str, trained: tuple[float, float, float], frozen: tuple[float, float, float]
) -> None:
    for card, mode, expected in ((CARD, "lora", trained), (CARD, "full", trained), (CARD_MLP, "frozen", frozen)):
        options = method_options(card, RunConfig(), dataset=dataset, kind="cell_abundance", mode=mode)  # type: ignore[arg-type]
        weights = (options.weight_main, options.weight_reconstruction, options.weight_alignment)
        assert weights == expected, mode


@pytest.mark.parametrize("options", [CucaOptions(), CucaMlpOptions()], ids=["cuca", "cucamlp"])
def test_the_published_recipe_is_the_default(options: CucaOptions | CucaMlpOptions) -> None:
    recipe = (options.epochs, options.batch, options.lr, options.weight_decay, options.schedule, options.accumulate)
    assert recipe == (100, 128, 2e-3, 1e-4, "onecycle", 1)
    layers = (options.hidden, options.projection, options.dropout, options.batch_norm)
    assert layers == (512, 512, 0.25, True)


def test_the_published_adapters_are_the_default() -> None:
    options = CucaOptions()
    adapters = (options.lora_rank, options.lora_alpha, options.lora_dropout, options.lora_last_blocks)
    assert adapters == (8, 16, 0.1, 2)


def test_the_published_encoder_is_the_default() -> None:
    slot = CARD.encoder
    assert slot is not None
    assert (slot.default, slot.default_mode, slot.scratch, slot.scratch_mode) == (
        "virchow2",
        "lora",
        "vit-tiny",
        "full",
    )
