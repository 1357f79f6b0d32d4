"""Writing drawn patches: one PNG each, a manifest that describes them, and a sheet of all."""

import io
from pathlib import Path

from PIL import Image

from histobench.contracts.drawing import Drawing
from histobench.data import UInt8
from histobench.files import store_errors, write_atomically
from histobench.reports.generation.folders import SHEET, Manifest, one_run, write_manifest
from histobench.reports.generation.prompts import Prompts
from histobench.reports.maps import Row, contact_sheet
from histobench.reports.maps.writing import write_png

__all__ = ["write_images"]


def write_images(out: Path, prompts: Prompts, images: UInt8, drawing: Drawing) -> list[Manifest]:
    """Write (p, seeds * samples, h, w, 3) images, ``manifest.csv`` and ``sheet.png`` into their folder.

    Raises
    ------
    StoreError
        If the folder contains anything but an earlier run, cannot be written to or the disk is full.
    """
    with one_run(out) as folder:
        entries = [
            _write_image(folder, entry, image)
            for prompt, of_prompt in enumerate(images)
            for entry, image in zip(_entries(prompt, prompts, drawing), of_prompt, strict=True)
        ]
        rows = [
            Row(label=prompts.labels[prompt] or f"prompt {prompt}", images=of_prompt)
            for prompt, of_prompt in enumerate(images)
        ]
        title = f"{len(entries)} images of {len(prompts)} prompts"
        write_png(contact_sheet(rows, title=title), folder / SHEET)
        write_manifest(folder, entries)
    return entries


def _entries(prompt: int, prompts: Prompts, drawing: Drawing) -> list[Manifest]:
    """Describe each image of a prompt, all samples of a seed together."""
    row, label = int(prompts.rows[prompt]), prompts.labels[prompt]
    place_on_path = f"_{label}" if row < 0 else ""
    folder = Path(prompts.folders[prompt])
    return [
        Manifest(
            file=(folder / f"prompt_{prompt:05d}{place_on_path}_seed{seed:04d}_{sample:02d}.png").as_posix(),
            prompt=prompt,
            row=row,
            label=label,
            seed=seed,
            sample=sample,
        )
        for seed in drawing.seeds
        for sample in range(drawing.n_samples)
    ]


def _write_image(folder: Path, entry: Manifest, image: UInt8) -> Manifest:
    path = folder / entry.file
    with store_errors(folder):
        path.parent.mkdir(parents=True, exist_ok=True)
    held = io.BytesIO()
    Image.fromarray(image).save(held, format="PNG")
    write_atomically(path, held.getvalue())
    return entry
