"""ST-Net against the numbers of its specification (specs/stnet.md), in the publisher's own names of the tensors."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from histobench import FitContext, Kind, LabelledSamples, PatchGeometry, Targets
from histobench.contracts.published import ConvertRequest
from histobench.training import SYMMETRIES, mirror_and_turn
from histobench_encoders.entries import ENTRIES
from histobench_encoders.timm_encoder import PatchNetwork, TimmEncoder
from histobench_heads.frames.saved import write_facts
from histobench_heads.frames.spotwise.method import Blueprint
from histobench_heads.stnet.catalogue import STNET
from histobench_heads.stnet.method import StNet, sum_of_mean_squares
from histobench_heads.stnet.module import StNetModule
from histobench_heads.stnet.options import StNetOptions
from histobench_heads.stnet.published import convert

pytestmark = pytest.mark.reference


def _encoder(patch_px: int = 224) -> TimmEncoder:
    entry = ENTRIES["densenet121.random"]
    return TimmEncoder("densenet121.random", entry, geometry=PatchGeometry(patch_px=patch_px))


def _module(n_targets: int) -> StNetModule:
    names = tuple(f"target {number}" for number in range(n_targets))
    blueprint = Blueprint(features=1024, targets=names, auxiliary=(), mode="full", seed=0)
    module = StNet(StNetOptions()).make_module(blueprint, _encoder().module())
    assert isinstance(module, StNetModule)
    return module


class _Published(nn.Module):
    """The same tensors under the publisher's names, fed with what is normalised already."""

    def __init__(self, module: StNetModule) -> None:
        super().__init__()
        assert isinstance(module.backbone, PatchNetwork)
        self.features = module.backbone.trunk.features
        self.classifier = module.head

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.features(images).mean(dim=(2, 3)))


@pytest.mark.parametrize("n_targets", [250, 80, 39])
def test_the_parameter_count_is_the_published_one(n_targets: int, rule: SimpleNamespace) -> None:
    with torch.device("meta"):
        count = rule.count(_module(n_targets))
    assert count in STNET.parameters.values()
    assert len(STNET.parameters) == 3
    assert count == {250: 7_210_106, 80: 7_035_856, 39: 6_993_831}[n_targets]


def test_each_part_has_the_published_number_of_parameters(rule: SimpleNamespace) -> None:
    with torch.device("meta"):
        features = _Published(_module(1)).features
    counts = {name: rule.count(part) for name, part in features.named_children() if rule.count(part)}
    assert counts == {
        "conv0": 9_408, "norm0": 128, "denseblock1": 335_040, "transition1": 33_280, "denseblock2": 919_680,
        "transition2": 132_096, "denseblock3": 2_837_760, "transition3": 526_336, "denseblock4": 2_158_080,
        "norm5": 2_048,
    }  # fmt: skip
    assert sum(counts.values()) == 6_953_856
    assert sum(buffer.numel() for buffer in features.buffers()) == 83_769


@torch.no_grad()
def test_the_output_matches_the_fill_rule_check(rule: SimpleNamespace) -> None:
    output = rule.fill(_Published(_module(39)))(rule.wave(2, 3, 224, 224))
    expected = [-1.10241, -0.85925, -0.37095, 0.22798, -0.59691, -0.05789, 0.75648]
    assert rule.summary(output) == pytest.approx(expected, rel=1e-3)


# what follows needs no pixel more than the network does


def _spots(n: int = 6) -> LabelledSamples:
    draw = np.random.default_rng(0)
    return LabelledSamples(
        slide_ids=np.full(n, "s"),
        spot_ids=np.arange(n).astype(str),
        xy_um=np.zeros((n, 2)),
        array=np.stack([np.arange(n), np.zeros(n, int)], axis=1),
        patches=draw.integers(0, 256, (n, 32, 32, 3), dtype=np.uint8),
        targets=Targets(kind="gene_expression", names=("a", "b"), values=draw.normal(3, 1, (n, 2)).astype(np.float32)),
    )


def test_before_the_first_step_any_image_gives_the_mean_of_the_training_targets() -> None:
    train, method = _spots(), StNet(StNetOptions())
    module = _module(2)
    method.begin(module, train)
    with torch.no_grad():
        predicted = module.eval()(torch.from_numpy(_spots(3).patches))
    np.testing.assert_allclose(predicted, np.tile(train.targets.values.mean(axis=0), (3, 1)), rtol=1e-6)


def test_a_symmetric_image_is_predicted_alike_in_all_eight_symmetries() -> None:
    corner = torch.randint(0, 256, (16, 16, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    quarter = torch.where(torch.ones(16, 16).triu().bool()[..., None], corner, corner.transpose(0, 1))
    half = torch.cat([quarter, quarter.flip(0)])
    image = torch.cat([half, half.flip(1)], dim=1)[None]
    torch.manual_seed(0)
    module = _module(3).eval()
    with torch.no_grad():
        outputs = [module(mirror_and_turn(image, symmetry)) for symmetry in SYMMETRIES]
    for output in outputs[1:]:
        torch.testing.assert_close(output, outputs[0])


def test_the_loss_is_the_mean_squared_error_times_the_batch() -> None:
    predicted, observed = torch.randn(32, 250), torch.randn(32, 250)
    loss = sum_of_mean_squares(predicted, observed)
    torch.testing.assert_close(loss, 32 * nn.functional.mse_loss(predicted, observed))


@pytest.mark.parametrize("kind", ["gene_expression", "cell_abundance"])
def test_a_published_checkpoint_gives_the_published_output(kind: Kind, rule: SimpleNamespace, tmp_path: Path) -> None:
    """The original normalises by statistics of its own, the adaptation by ImageNet's, which are the encoder's."""
    published = rule.fill(_Published(_module(3)))
    request = ConvertRequest(
        options=StNetOptions(), kind=kind, mode="full", targets=("a", "b", "c"), dim=1024, encoder_prefix="trunk."
    )
    converted = convert(published.state_dict(), request)
    method = StNet(StNetOptions(**converted.options, patch_px=32))
    write_facts(tmp_path, converted.facts)
    save_file({k: v.contiguous().clone() for k, v in converted.tensors.items()}, tmp_path / "weights.safetensors")
    method.load(tmp_path, FitContext(seed=1, mode="full", encoder=_encoder(32)))
    spots = _spots()
    mean, std = (
        ((0.5319, 0.5080, 0.6824), (0.2442, 0.2063, 0.1633))
        if kind == "gene_expression"
        else ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    images = (torch.from_numpy(spots.patches).permute(0, 3, 1, 2) / 255 - _channels(mean)) / _channels(std)
    with torch.no_grad():
        if kind == "gene_expression":
            views = [mirror_and_turn(images.permute(0, 2, 3, 1), s).permute(0, 3, 1, 2) for s in SYMMETRIES]
            expected = torch.stack([published(view) for view in views]).mean(dim=0)
        else:
            expected = published(images)
    np.testing.assert_allclose(method.predict(spots).values, expected, rtol=1e-3, atol=1e-4)


def _channels(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values).view(3, 1, 1)
