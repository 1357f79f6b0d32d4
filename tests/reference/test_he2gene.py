"""HE2Gene against the numbers of its specification (specs/he2gene.md, sections 4, 6 and 11)."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn

from histobench import FitContext, PatchGeometry, Samples
from histobench.contracts.published import ConvertRequest
from histobench.training import SYMMETRIES, mirror_and_turn
from histobench_encoders.entries import ENTRIES
from histobench_encoders.timm_encoder import TimmEncoder
from histobench_heads.frames.cards import HBCIS_MEAN, HBCIS_STD
from histobench_heads.frames.saved import write_facts
from histobench_heads.he2gene.catalogue import HE2GENE_BASE, HE2GENE_SPAT
from histobench_heads.he2gene.losses import spatial_loss
from histobench_heads.he2gene.method import Blueprint, He2Gene, He2GeneSpat
from histobench_heads.he2gene.network import He2GeneNetwork
from histobench_heads.he2gene.options import He2GeneOptions, He2GeneSpatOptions
from histobench_heads.he2gene.published import convert

pytestmark = pytest.mark.reference


def _encoder(patch_px: int = 224) -> TimmEncoder:
    return TimmEncoder("resnet50.random", ENTRIES["resnet50.random"], geometry=PatchGeometry(patch_px=patch_px))


def _network(n_targets: int, n_others: int) -> He2GeneNetwork:
    blueprint = Blueprint(
        features=2048,
        targets=tuple(f"t{number}" for number in range(n_targets)),
        others=tuple(f"o{number}" for number in range(n_others)),
        classes=("tumour", "normal"),
        tumour=("tumour",),
    )
    return He2Gene(He2GeneOptions()).make_network(blueprint, _encoder().module())


def test_the_parameter_count_is_the_published_one(rule: SimpleNamespace) -> None:
    with torch.device("meta"):
        network = _network(250, 19_699)
    counts = {name: rule.count(part) for name, part in network.named_children() if rule.count(part)}
    assert counts == {"backbone": 23_508_032, "target": 512_250, "aux": 40_363_251, "tumour": 2_049}
    assert rule.count(network) == 64_385_582
    assert set(HE2GENE_BASE.parameters.values()) == set(HE2GENE_SPAT.parameters.values()) == {64_385_582}


@pytest.mark.parametrize(
    ("arch", "features", "count"),
    [
        ("vgg16", 4_096, 215_995_694),
        ("inception_v3", 2_048, 65_989_814),
        ("resnet50", 2_048, 64_385_582),
        ("densenet121", 1_024, 27_402_606),
        ("efficientnet_b0", 1_280, 29_563_498),
        ("convnext_tiny", 768, 43_161_678),
        ("vit_b_16", 768, 101_140_206),
        ("swin_t", 768, 42_860_904),
    ],
)
def test_other_backbones_under_the_same_heads_have_the_published_parameters(
    arch: str, features: int, count: int, rule: SimpleNamespace
) -> None:
    """Section 4; the inception network with its auxiliary classifier."""
    more = {"init_weights": False} if arch == "inception_v3" else {}
    with torch.device("meta"):
        backbone = torchvision.models.get_model(arch, weights=None, **more)
        network = He2GeneNetwork(backbone, features, n_targets=250, n_others=19_699, n_labels=1, pixels=None)
    classifier = [
        layer for name, layer in backbone.named_modules() if isinstance(layer, nn.Linear) and "Aux" not in name
    ]
    assert (classifier[-1].in_features, classifier[-1].out_features) == (features, 1_000)
    assert rule.count(network) - rule.count(classifier[-1]) == count


def test_the_weights_are_the_published_tensors_and_the_pixel_statistics() -> None:
    with torch.device("meta"):
        names = set(_network(250, 19_699).state_dict())
    assert len(names - {"pixels.mean", "pixels.std"}) == 324


def test_heads_start_uniform_within_a_root_of_their_width() -> None:
    torch.manual_seed(0)
    network = _network(250, 40)
    for head in (network.target, network.aux):
        assert head is not None
        assert head.weight.abs().max().item() == pytest.approx(2048**-0.5, rel=1e-3)
        assert 0.9 * 2048**-0.5 < head.bias.abs().max().item() <= 2048**-0.5


@torch.no_grad()
def test_a_training_pass_gives_the_published_shapes() -> None:
    """B = 2: eight neighbours of each in the same pass, of which only the target head is asked."""
    output = _network(250, 19_699)(torch.randint(0, 256, (18, 32, 32, 3), dtype=torch.uint8), 2)
    assert output.targets[:2].shape == (2, 250)
    assert output.others.shape == (2, 19_699)
    assert output.label.shape == (2, 1)
    assert output.targets[2:].view(2, 8, 250).shape == (2, 8, 250)


def test_the_spatial_loss_has_the_worked_value() -> None:
    centre = torch.tensor([[(4 * b + g) / 10 for g in range(4)] for b in range(3)], dtype=torch.float64)
    around = torch.sin(0.3 * torch.arange(96, dtype=torch.float64)).view(24, 4)
    labels = torch.tensor([1, 0, 1])
    theirs = torch.tensor([[1, 0, 1, 1, 0, 0, 1, 1], [1] * 8, [1, 1, 0, 0, 0, 0, 0, 0]])
    exists = torch.tensor([[1, 1, 1, 0, 1, 1, 0, 1], [1] * 8, [0, 1, 1, 1, 1, 1, 1, 1]]).bool()
    spot, which = torch.nonzero(exists & (theirs == labels[:, None]), as_tuple=True)
    assert list(zip(spot.tolist(), which.tolist(), strict=True)) == [(0, 0), (0, 2), (0, 7), (2, 1)]
    edges = torch.stack([3 + 8 * spot + which, spot])
    loss = spatial_loss(torch.cat([centre, around]), edges, n_seeds=3)
    assert loss.item() == pytest.approx(0.0884685697, abs=1e-10)


class _Published(nn.Module):
    """ResNet-50 and three heads under the publisher's names, fed with what is normalised already."""

    def __init__(self, heads: tuple[str, str, str]) -> None:
        super().__init__()
        self.base_model = timm.create_model("resnet50", pretrained=False, num_classes=0, zero_init_last=False)
        self.heads = heads
        for name, width in zip(heads, (3, 5, 1), strict=True):
            setattr(self, name, nn.Linear(2048, width))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        target, aux, tumour = (getattr(self, name)(self.base_model(images)) for name in self.heads)
        return target, aux, tumour.sigmoid()


@pytest.mark.parametrize(
    ("heads", "method"),
    [
        (("fc1", "fc2", "fc3"), He2Gene(He2GeneOptions(patch_px=32))),
        (("fc", "fc_aux", "fc_tmr"), He2GeneSpat(He2GeneSpatOptions(patch_px=32, average="single"))),
    ],
    ids=["base", "spat"],
)
@torch.no_grad()
def test_published_weights_give_the_published_outputs(
    heads: tuple[str, str, str], method: He2Gene, rule: SimpleNamespace, tmp_path: Path
) -> None:
    published = rule.fill(_Published(heads))
    assert len(published.state_dict()) == 324
    request = ConvertRequest(
        options=method.options,
        kind="gene_expression",
        mode="full",
        targets=("RPS3", "IGLL5", "RPLP1"),
        dim=2048,
        encoder_prefix="trunk.",
    )
    converted = convert(published.state_dict(), request)
    write_facts(tmp_path, converted.facts)
    save_file({k: v.contiguous().clone() for k, v in converted.tensors.items()}, tmp_path / "weights.safetensors")
    method.load(tmp_path, FitContext(seed=1, mode="full", encoder=_encoder(32)))
    patches = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    images = (torch.from_numpy(patches) / 255 - torch.tensor(HBCIS_MEAN)) / torch.tensor(HBCIS_STD)
    symmetries = SYMMETRIES if method.options.average == "tta" else SYMMETRIES[:1]
    views = [published(mirror_and_turn(images, symmetry).permute(0, 3, 1, 2)) for symmetry in symmetries]
    target, aux, tumour = (torch.stack(parts).mean(dim=0) for parts in zip(*views, strict=True))
    predicted = method.predict(_samples(patches))
    assert predicted.names == ("RPS3", "IGLL5", "RPLP1")
    np.testing.assert_allclose(predicted.values, target, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(predicted.beside["other_genes"].values, aux, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(predicted.beside["label"].values, torch.cat([tumour, 1 - tumour], dim=1), atol=1e-4)


def _samples(patches: np.ndarray) -> Samples:
    n = len(patches)
    return Samples(
        slide_ids=np.full(n, "s"),
        spot_ids=np.arange(n).astype(str),
        xy_um=np.zeros((n, 2)),
        array=np.stack([np.arange(n), np.zeros(n, int)], axis=1),
        patches=patches,
    )
