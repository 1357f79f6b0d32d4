"""Snapshots of the generator as its authors pickle them, of classes that are not here; made here, none was at hand."""

import os
import pickle
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from histobench import ConfigError, Counts, DataError, Drawing, FitContext, Samples
from histobench.contracts.options import options_from_json
from histobench.contracts.published import ConvertRequest
from histobench.contracts.registry import Registry
from histobench.study.checkpoint_conversion import Wanted, convert_file
from histobench.weights.converted import open_checkpoint, unpacked
from histobench_heads.clip_gan.catalogue import CLIP_GAN
from histobench_heads.clip_gan.conversion import convert_snapshot
from histobench_heads.clip_gan.drawing import draw_images
from histobench_heads.clip_gan.generator import Generator, GeneratorShape, make_generator
from histobench_heads.clip_gan.method import ClipGan
from histobench_heads.clip_gan.options import ClipGanOptions
from histobench_heads.frames.clip.fitting import embed_genes
from histobench_heads.frames.clip.modules import GeneClip

GENES = tuple(f"G{number}" for number in range(12))
WIDTH = 10
OPTIONS = ClipGanOptions(
    patch_px=16, channel_base=512, channel_max=64, res_blocks=1, latent_dim=8, hidden_dim=6, standardise=False
)
BUFFERS = ("x_avg", "freqs", "phases", "transform", "noise_const", "resample_filter")

Parts = dict[str, Tensor]


def networks() -> tuple[GeneClip, Generator]:
    """Draw the contrastive model and the generator, every tensor of them."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        clip = GeneClip(len(GENES), WIDTH, OPTIONS)
        generator = make_generator(OPTIONS, GeneratorShape(n_genes=len(GENES), latent=8), clip)
        for name, tensor in generator.state_dict().items():
            if name.endswith(("noise_strength", "bias", "gamma", "x_avg")):
                tensor.add_(0.1 * torch.randn(tensor.shape))
    return clip.eval(), generator.eval().requires_grad_(False)


def theirs(clip: GeneClip, generator: Generator) -> Parts:
    """Name the tensors as the specification does, with the filters that every layer of theirs stores."""
    named = {
        f"mapping.clip.gex_encoder.{place}.{name}": tensor
        for place, part in enumerate((clip.gene_encoder, clip.gene_projection))
        for name, tensor in part.state_dict().items()
    }
    named |= generator.state_dict()
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    stored = ("synthesis.b16.conv0.resample_filter", "synthesis.b8.torgb.resample_filter")
    return named | dict.fromkeys(stored, torch.outer(taps, taps) / 64)


def grown(kind: type[nn.Module], parts: Mapping[str, Tensor]) -> nn.Module:
    """Hang tensors into modules of a class, by their dotted names."""
    root = kind()
    for name, tensor in parts.items():
        *path, last = name.split(".")
        module = root
        for step in path:
            if step not in module._modules:
                module.add_module(step, kind())
            module = module.get_submodule(step)
        if last in BUFFERS:
            module.register_buffer(last, tensor.clone())
        else:
            module.register_parameter(last, nn.Parameter(tensor.clone()))
    return root


def pickled(path: Path, average: Mapping[str, Tensor], **more: object) -> Path:
    """Pickle a snapshot under the publisher's class names, which are gone afterwards."""
    package, module = types.ModuleType("networks"), types.ModuleType("networks.generator")
    kind: Any = type("Generator", (nn.Module,), {"__module__": "networks.generator"})
    module.Generator = kind  # type: ignore[attr-defined]  # as an import would set it
    sys.modules.update({"networks": package, "networks.generator": module})
    try:
        young = {name: tensor + 1 for name, tensor in average.items()}
        judge = {"heads.0.cls.weight_orig": torch.ones(2, 2), "dino.model.model.cls_token": torch.ones(1)}
        held = {"G": grown(kind, young), "D": grown(kind, judge), "G_ema": grown(kind, average)}
        path.write_bytes(pickle.dumps({**held, "training_set_kwargs": {"path": "data.zip"}, **more}, protocol=4))
    finally:
        del sys.modules["networks"], sys.modules["networks.generator"]
    return path


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.load()


def convert(registry: Registry, file: Path, **wanted: Any) -> ClipGan:
    """Convert a snapshot as the command does, and load the result as a run does."""
    asked = {"kind": "generate", "targets": GENES, "encoder": "colour-stats", **wanted}
    out = file.with_suffix(".safetensors")
    convert_file(CLIP_GAN, registry, Wanted(source=file, out=out, **asked))
    header = open_checkpoint(out).header
    method = ClipGan(options_from_json(CLIP_GAN, header.options))  # type: ignore[arg-type]  # its own options
    with unpacked(header, out) as folder:
        method.load(folder, FitContext(seed=0))
    return method


def test_a_snapshot_draws_what_the_generator_drew(registry: Registry, tmp_path: Path) -> None:
    clip, generator = networks()
    method = convert(registry, pickled(tmp_path / "network-snapshot.pkl", theirs(clip, generator)))
    expression = np.random.default_rng(0).random((3, 12)).astype(np.float32)
    drawing = Drawing(seeds=(0, 1), truncation=0.7)
    wanted = draw_images(generator, embed_genes(clip, expression), drawing)
    np.testing.assert_array_equal(method.draw(method.encode(expression), drawing), wanted)
    assert wanted.std() > 5
    assert method.genes == GENES
    names = ("patch_px", "channel_max", "channel_base", "res_blocks", "latent_dim", "hidden_dim")
    assert [getattr(method.options, name) for name in names] == [16, 64, 512, 1, 8, 6]


def test_a_snapshot_predicts_without_looking_and_is_saved_again(registry: Registry, tmp_path: Path) -> None:
    method = convert(registry, pickled(tmp_path / "network-snapshot.pkl", theirs(*networks())))
    counts = Counts(names=GENES, values=np.random.default_rng(0).poisson(3.0, (4, 12)).astype(np.float32))
    spots = np.array([f"s{number}" for number in range(4)])
    samples = Samples(
        slide_ids=np.full(4, "A1"),
        spot_ids=spots,
        xy_um=np.arange(8.0).reshape(4, 2),
        array=np.arange(8).reshape(4, 2),
        lattice="hex",
        counts=counts,
    )
    drawn: Any = method.predict(samples)
    assert drawn.images.shape == (4, 16, 16, 3)
    assert (drawn.image, drawn.expression) == (None, None)
    with pytest.raises(ConfigError, match="a converted snapshot has no image branch"):
        method.view(drawn.images)
    (tmp_path / "again").mkdir()
    method.save(tmp_path / "again")
    again = ClipGan(method.options)
    again.load(tmp_path / "again", FitContext(seed=0))
    second: Any = again.predict(samples)
    np.testing.assert_array_equal(second.images, drawn.images)


def changed(change: Callable[[Parts], object]) -> Parts:
    parts = theirs(*networks())
    change(parts)
    return parts


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda parts: parts.update({"synthesis.b8.strange": torch.ones(2)}), "generator.synthesis.b8.strange"),
        (lambda parts: parts.pop("synthesis.b16.conv0.bias"), "generator.synthesis.b16.conv0.bias"),
        (
            lambda parts: parts.update({"synthesis.b16.torgb.bias": torch.ones(4)}),
            "torgb.bias is (4,) and must be (3,)",
        ),
        (lambda parts: parts.update({"mapping.clip.img_encoder.norm": torch.ones(2)}), "mapping.clip.img_encoder.norm"),
        (
            lambda parts: parts.update({"synthesis.b16.conv0.resample_filter": torch.ones(4, 4)}),
            "is not the filter (1, 3, 3, 1)",
        ),
        (
            lambda parts: [parts.pop(name) for name in list(parts) if name.startswith("mapping.clip")],
            "not prompted by the embedding of a contrastive model",
        ),
        (
            lambda parts: [parts.pop(name) for name in list(parts) if name.startswith("synthesis")],
            "its generator has no tensor 'synthesis.b8",
        ),
    ],
)
def test_another_network_is_refused_by_name(
    registry: Registry, tmp_path: Path, change: Callable[[Parts], object], message: str
) -> None:
    file = pickled(tmp_path / "network-snapshot.pkl", changed(change))
    with pytest.raises(DataError) as refused:
        convert(registry, file)
    assert message in str(refused.value)
    assert not list(tmp_path.glob("*.safetensors*"))


def test_another_task_and_other_genes_are_refused(registry: Registry, tmp_path: Path) -> None:
    file = pickled(tmp_path / "network-snapshot.pkl", theirs(*networks()))
    with pytest.raises(DataError, match="which cannot retrieve: convert it with --kind generate"):
        convert(registry, file, kind="retrieve")
    with pytest.raises(DataError, match="predicts 12 targets, but 3 names are given"):
        convert(registry, file, targets=GENES[:3])
    request = ConvertRequest(options=OPTIONS, kind="generate", targets=GENES)
    with pytest.raises(DataError, match="holds no training spots to predict generate from; use --kind retrieve"):
        convert_snapshot({"gex_encoder.0.l1.weight": torch.ones(2, 2)}, request)


class Command:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.trace}",)


def test_a_hostile_snapshot_runs_nothing(registry: Registry, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    file = pickled(tmp_path / "network-snapshot.pkl", theirs(*networks()), augment=Command(trace))
    with pytest.raises(DataError, match=r"it asks for posix.system\); nothing of it was executed"):
        convert(registry, file)
    assert not trace.exists()
