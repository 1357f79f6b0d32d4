"""Writing drawn patches: a PNG each, a manifest that says what each is, and a sheet of them all."""

import csv
import io
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from PIL import Image

from histobench.data import UInt8
from histobench.drawing import Drawing
from histobench.generation.prompts import Prompts
from histobench.maps import Row, contact_sheet
from histobench.maps.writing import write_png
from histobench.store import store_errors, write_atomically

__all__ = ["Manifest", "write_images"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What one image is: its file, the prompt and the file's row it came from, cluster or place, seed and sample."""

    file: str
    prompt: int
    row: int
    label: str
    seed: int
    sample: int


def write_images(out: Path, prompts: Prompts, images: UInt8, drawing: Drawing) -> list[Manifest]:
    """Write (p, seeds * samples, h, w, 3) images, ``manifest.csv`` and ``sheet.png`` into a folder.

    Raises
    ------
    StoreError
        If the folder cannot be written to or the disk is full.
    """
    entries: list[Manifest] = []
    for prompt, of_prompt in enumerate(images):
        seeds = np.repeat(np.array(drawing.seeds), drawing.n_samples).tolist()
        for place, (seed, image) in enumerate(zip(seeds, of_prompt, strict=True)):
            sample = place % drawing.n_samples
            place_on_path = f"_{prompts.labels[prompt]}" if prompts.rows[prompt] < 0 else ""
            name = f"prompt_{prompt:05d}{place_on_path}_seed{seed:04d}_{sample:02d}.png"
            file = Path(prompts.folders[prompt]) / name
            _write_image(out / file, image)
            entry = Manifest(
                file=file.as_posix(),
                prompt=prompt,
                row=int(prompts.rows[prompt]),
                label=prompts.labels[prompt],
                seed=int(seed),
                sample=sample,
            )
            entries.append(entry)
    _write_manifest(out / "manifest.csv", entries)
    rows = [
        Row(label=prompts.labels[prompt] or f"prompt {prompt}", images=of_prompt)
        for prompt, of_prompt in enumerate(images)
    ]
    with store_errors(out):
        write_png(contact_sheet(rows, title=f"{len(entries)} images of {len(prompts)} prompts"), out / "sheet.png")
    return entries


def _write_image(path: Path, image: UInt8) -> None:
    with store_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    held = io.BytesIO()
    Image.fromarray(image).save(held, format="PNG")
    write_atomically(path, held.getvalue())


def _write_manifest(path: Path, entries: list[Manifest]) -> None:
    held = io.StringIO()
    writer = csv.DictWriter(held, fieldnames=[own.name for own in fields(Manifest)])
    writer.writeheader()
    writer.writerows(asdict(entry) for entry in entries)
    write_atomically(path, held.getvalue().encode())
