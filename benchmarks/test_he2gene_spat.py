"""The cost of a training step of HE2Gene-Spat: a backbone pass per neighbour, the published shared pass, and ours.

Every neighbour has the spot's label here, so that all enter the loss; if labels differ, ours needs fewer patches.
Passes and patches of the backbone are counted over a whole epoch. Seconds are those of the first steps of 32 spots,
forward, backward and Adam, with a ResNet-10 at 48 pixels. With ResNet-50 nearly all time is the backbone, and the ratio
of seconds approaches that of patches.
"""

import time
from collections.abc import Iterator
from itertools import islice

import pytest
import timm
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor, nn
from typing_extensions import override

from histobench import LabelledSamples
from histobench_heads.he2gene.batches import with_neighbours
from histobench_heads.he2gene.labels import LabelPlan
from histobench_heads.he2gene.loading import Loader
from histobench_heads.he2gene.losses import Batch, he2gene_losses
from histobench_heads.he2gene.method import Blueprint, He2GeneSpat
from histobench_heads.he2gene.options import He2GeneSpatOptions

NAIVE, SHARED, ONCE, OURS = "pass by pass", "published shared pass", "each patch once, random spots", "ours"
_KEPT = {"statistics": "encoder", "patch_px": 48}
WAYS = {
    NAIVE: He2GeneSpatOptions(missing="black", contiguous=False, **_KEPT),
    SHARED: He2GeneSpatOptions(missing="black", contiguous=False, **_KEPT),
    ONCE: He2GeneSpatOptions(contiguous=False, **_KEPT),
    OURS: He2GeneSpatOptions(**_KEPT),
}
"""Nine passes per step; nine patches per spot in one pass (he2gene.md, section 3.3); each patch once; compact parts."""

NEIGHBOURS = 8


class PassByPass(nn.Module):
    """Runs a backbone on the spots, then on the first neighbour of each, then on the second, and so on."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    @override
    def forward(self, patches: Tensor) -> Tensor:
        n = len(patches) // (1 + NEIGHBOURS)
        spots, around = patches.tensor_split([n])
        features = [self.backbone(part) for part in around.unflatten(0, (n, NEIGHBOURS)).unbind(1)]
        return torch.cat([self.backbone(spots), torch.stack(features, dim=1).flatten(0, 1)])


class Backbone(nn.Module):
    """Runs a network on (m, h, w, 3) patches in 0 … 255, and counts passes and patches."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.passes = self.patches = 0

    @override
    def forward(self, patches: Tensor) -> Tensor:
        self.passes, self.patches = self.passes + 1, self.patches + len(patches)
        features: Tensor = self.network(patches.permute(0, 3, 1, 2) / 255)
        return features


class Run:
    """HE2Gene-Spat on one section in one of the `WAYS`."""

    def __init__(self, way: str, section: LabelledSamples, network: nn.Module, features: int) -> None:
        self.options, self._section = WAYS[way], section
        label = section.beside["label"]
        plan = LabelPlan(classes=label.names, tumour=label.names[:1], head="tumour")
        self.annotation = plan.annotate(label, len(section))
        self.backbone = Backbone(network)
        self.network = He2GeneSpat(self.options).make_network(
            Blueprint(features=features, targets=section.targets.names, classes=plan.classes, tumour=plan.tumour),
            PassByPass(self.backbone) if way == NAIVE else self.backbone,
        )

    def batches(self) -> Iterator[Batch]:
        """Read the first epoch's batches."""
        assert self._section.patches is not None
        load = Loader(self._section.patches, self._section, self.annotation, self.options.patch_px)
        return map(load, with_neighbours(self._section, self.annotation.groups, self.options, 0)(0))

    def loss(self, batch: Batch) -> Tensor:
        """Compute the loss of one batch."""
        output = self.network(batch.patches, len(batch.targets))
        return he2gene_losses(output, batch, options=self.options)["loss"]


def _with_resnet(way: str, section: LabelledSamples) -> Run:
    torch.manual_seed(0)
    narrow = timm.create_model("resnet10t", channels=(16, 32, 64, 128), num_classes=0)
    return Run(way, section, narrow, features=narrow.num_features)


@torch.no_grad()
def _count(way: str, section: LabelledSamples) -> dict[str, float]:
    """Count passes and patches of the backbone in one epoch; the backbone is the mean colour."""
    run = Run(way, section, nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), features=3)
    steps = sum(1 for batch in run.batches() if run.loss(batch).isfinite())
    return {
        "passes_a_step": run.backbone.passes / steps,
        "patches_a_spot": round(run.backbone.patches / len(section), 2),
    }


def _seconds_a_step(way: str, section: LabelledSamples, steps: int) -> float:
    """Time some steps after a first, untimed one; scale to 32 spots, because a compact part may have fewer."""
    run = _with_resnet(way, section)
    optimiser = torch.optim.Adam(run.network.parameters(), lr=run.options.lr)
    spots, seconds = 0, 0.0
    for place, batch in enumerate(islice(run.batches(), steps + 1)):
        begun = time.perf_counter()
        optimiser.zero_grad()
        run.loss(batch).backward()
        optimiser.step()
        if place:
            spots, seconds = spots + len(batch.targets), seconds + time.perf_counter() - begun
    return seconds / spots * run.options.batch


def test_backbone_passes_of_an_epoch_and_seconds_of_a_step(
    benchmark: BenchmarkFixture, section: LabelledSamples
) -> None:
    counted = {way: _count(way, section) for way in WAYS}
    steps = 6 if benchmark.enabled else 1
    seconds = benchmark.pedantic(lambda: {way: _seconds_a_step(way, section, steps) for way in WAYS}, rounds=1)
    patches = {way: found["patches_a_spot"] for way, found in counted.items()}
    benchmark.extra_info.update(
        section=f"{section.slide_ids[0]}, {len(section)} spots",
        counted=counted,
        patches_saved={way: round(n / patches[OURS], 2) for way, n in patches.items()},
        seconds_a_step={way: round(s, 2) for way, s in seconds.items()},
        times_faster={way: round(s / seconds[OURS], 2) for way, s in seconds.items()},
    )
    assert counted[NAIVE]["passes_a_step"] == 9
    assert counted[OURS]["passes_a_step"] == counted[SHARED]["passes_a_step"] == 1
    assert patches[NAIVE] == patches[SHARED] == 9
    assert patches[OURS] * 3 < patches[SHARED]
    assert seconds[OURS] < min(seconds[NAIVE], seconds[SHARED]) or not benchmark.enabled  # one step is too noisy


@torch.no_grad()
@pytest.mark.parametrize("way", [SHARED, ONCE])
def test_the_same_spots_have_the_same_loss_pass_by_pass(way: str, section: LabelledSamples) -> None:
    losses = []
    for each in (NAIVE, way):
        run = _with_resnet(each, section)
        run.network.eval()  # otherwise batch normalisation sees other batches
        losses.append(run.loss(next(run.batches())))
    torch.testing.assert_close(losses[0], losses[1])
