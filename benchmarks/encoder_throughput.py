"""Images per second of ViT-S, B, L, H and g in the embedding, and the measured ceiling of matrix products.

Weights are random; random patches are read from a file, as in an extraction. The ceiling is the speed of square matrix
products of the same precision on the same device in the same run, divided by the operations of one image::

    python benchmarks/encoder_throughput.py                                   # a GPU, bf16, all five
    python benchmarks/encoder_throughput.py --models H,g --compile
    python benchmarks/encoder_throughput.py --device cpu --models tiny --patches 12 --batch-size 4

Prints for each model: GFLOP per image, images per second of ours, share of the ceiling, images per second of a plain
loop (a default DataLoader that normalises in single precision on the CPU, a batch at a time), and the ratio of both.
"""

import argparse
import itertools
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import timm
import torch
from timm.layers import SwiGLUPacked
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from histobench.contracts.protocols import PatchGeometry
from histobench.data import Float, UInt8
from histobench.images.embedding import Compute, Embedder, StoredPatches

HALF = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
PLAIN_BATCH = 64


@dataclass(frozen=True)
class Vit:
    """A vision transformer of timm at 224 pixels."""

    arch: str
    width: int
    depth: int
    token_px: int
    hidden: int
    is_gated: bool = False
    registers: int = 0

    def gflop(self) -> float:
        """Return the operations of one image: matrix products only, including those of attention."""
        n = (224 // self.token_px) ** 2
        tokens, d = n + 1 + self.registers, self.width
        embed = 2 * 3 * self.token_px**2 * d * n
        mlp = 2 * tokens * d * self.hidden * (3 if self.is_gated else 2)
        return (embed + self.depth * (8 * tokens * d * d + 4 * tokens**2 * d + mlp)) / 1e9

    def network(self) -> nn.Module:
        """Build it with random weights."""
        gated = {"mlp_layer": SwiGLUPacked, "act_layer": nn.SiLU, "mlp_ratio": 2 * self.hidden / self.width}
        kwargs = {"img_size": 224, "init_values": 1e-5} if self.token_px == 14 else {}
        model: nn.Module = timm.create_model(
            self.arch, num_classes=0, **kwargs, **(gated if self.arch.startswith("vit_huge") else {})
        )
        return model


MODELS = {
    "tiny": Vit("vit_tiny_patch16_224", 192, 12, 16, 768),
    "S": Vit("vit_small_patch16_224", 384, 12, 16, 1536),
    "B": Vit("vit_base_patch16_224", 768, 12, 16, 3072),
    "L": Vit("vit_large_patch16_224", 1024, 24, 16, 4096),
    "H": Vit("vit_huge_patch14_224", 1280, 32, 14, 3416, is_gated=True),
    "g": Vit("vit_giant_patch14_reg4_dinov2", 1536, 40, 14, 4096, is_gated=True, registers=4),
}


class Normalised(nn.Module):
    """A network with normalisation in front, as in an encoder."""

    mean: Tensor
    std: Tensor

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1))

    def forward(self, patches: Tensor) -> Tensor:
        """Embed (n, 224, 224, 3) uint8."""
        embedded: Tensor = self.trunk((patches.permute(0, 3, 1, 2).to(self.mean.dtype) / 255 - self.mean) / self.std)
        return embedded


class Random:
    """An encoder of one of the models, with random weights."""

    identity, geometry = "random", PatchGeometry()

    def __init__(self, model: Vit) -> None:
        self.dim = model.width
        self._network = Normalised(model.network()).eval().requires_grad_(False)

    def frozen(self, device: str = "cpu") -> Normalised:
        """Return the network."""
        return self._network.to(device)

    def embed(self, patches: UInt8, /, *, device: str = "cpu") -> Float:
        """Embed (n, h, w, 3) patches; required by the protocol, not measured."""
        with torch.inference_mode():
            embedded: Float = self.frozen(device)(torch.from_numpy(patches).to(device)).float().cpu().numpy()
        return embedded


def write_patches(path: Path, n: int) -> StoredPatches:
    """Write (n, 224, 224, 3) random patches in the format of the cache."""
    with h5py.File(path, "w") as file:
        stored = file.create_dataset("img", (n, 224, 224, 3), np.uint8)
        for start in range(0, n, 256):
            k = min(256, n - start)
            stored[start : start + k] = np.random.default_rng(start).integers(0, 256, (k, 224, 224, 3), dtype=np.uint8)
    return StoredPatches.open(path)


def ceiling_tflops(device: str, precision: str) -> float:
    """Return the speed of square matrix products, in TFLOP/s; the best of several sizes."""
    best = 0.0
    sizes = (4096, 8192, 16384) if device.startswith("cuda") else (512,)
    for side in sizes:
        a = torch.randn(side, side, device=device, dtype=HALF[precision])
        for _ in range(3):
            a @ a
        _wait(device)
        begun, repeats = time.perf_counter(), 20
        for _ in range(repeats):
            a @ a
        _wait(device)
        best = max(best, repeats * 2 * side**3 / (time.perf_counter() - begun) / 1e12)
    return best


def ours(encoder: Random, how: Compute, patches: StoredPatches) -> float:
    """Return images per second, after one pass that finds the batch size."""
    embedder = Embedder(encoder, how)
    seconds = 0.0
    for _ in range(2):
        begun = time.perf_counter()
        for _rows in embedder.embed(patches):
            pass
        seconds = time.perf_counter() - begun
    return len(patches) / seconds


def plain(encoder: Random, patches: StoredPatches, how: Compute) -> float:
    """Return images per second of the plain loop on a few batches, with the network under autocast as in HEST."""
    network, n = encoder.frozen(how.device), min(len(patches), 8 * PLAIN_BATCH)
    mean, std = network.mean.cpu(), network.std.cpu()
    half = torch.autocast(how.device.partition(":")[0], dtype=HALF[how.precision], enabled=how.precision != "fp32")
    seconds = 0.0

    def load(rows: list[tuple[Tensor]]) -> Tensor:
        singles = [torch.from_numpy(patches[int(row)]).permute(2, 0, 1).float() / 255 for (row,) in rows]
        return torch.stack([(single - mean) / std for single in singles])

    with torch.inference_mode(), half:
        for _ in range(2):
            begun = time.perf_counter()
            for batch in DataLoader(TensorDataset(torch.arange(n)), batch_size=PLAIN_BATCH, collate_fn=load):
                network.trunk(batch.to(how.device)).float().cpu()
            seconds = time.perf_counter() - begun
    return n / seconds


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def main() -> None:
    """Measure the models from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", default="S,B,L,H,g", help=f"of {', '.join(MODELS)}")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--precision", choices=sorted(HALF), default="bf16")
    parser.add_argument("--patches", type=int, default=8192)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--json", type=Path, help="file to which the figures are written as well")
    arguments = parser.parse_args()
    how = Compute(
        device=arguments.device,
        precision=arguments.precision,
        batch_size=arguments.batch_size,
        workers=arguments.workers,
        compiled=arguments.compile,
    )
    ceiling = ceiling_tflops(arguments.device, arguments.precision)
    print(f"{arguments.device}, {arguments.precision}: matrix products reach {ceiling:.4g} TFLOP/s")
    header = ["model", "GFLOP", "images/s", "of_ceiling", "plain/s", "ratio"]
    rows: list[list[str]] = []
    with tempfile.TemporaryDirectory() as folder:
        patches = write_patches(Path(folder) / "patches.h5", arguments.patches)
        for name in arguments.models.split(","):
            model = MODELS[name]
            encoder = Random(model)
            speed, slow = ours(encoder, how, patches), plain(encoder, patches, how)
            share = speed * model.gflop() / 1000 / ceiling
            rows.append([name, f"{model.gflop():.1f}", f"{speed:.4g}", f"{share:.1%}", f"{slow:.4g}"])
            rows[-1].append(f"{speed / slow:.3g}")
    for row in itertools.chain([header], rows):
        print("  ".join(cell.ljust(10) for cell in row).rstrip())
    if arguments.json:
        arguments.json.write_text(
            json.dumps({"ceiling_tflops": ceiling, "rows": [dict(zip(header, r, strict=True)) for r in rows]})
        )


if __name__ == "__main__":
    main()
