"""A dataset: striped tissue, drawn when it is read."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from histobench import Float, Slide, SlideImage, SpotTable, Targets
from histobench.images import ArrayImage

__all__ = ["Stripes"]

_SIDE, _SPOT_PX, _MPP = 6, 100, 2.0


class Stripes:
    """Three slides with dark stripes of growing width; implements ``histobench.Dataset``."""

    def __init__(self, root: Path | None) -> None:
        """Ignore the data folder, because there are no files."""

    def slides(self, target: str) -> Sequence[Slide]:
        """List the slides."""
        return [Slide(id=f"stripes{n}", patient=f"stripes:{n}", mpp=_MPP) for n in (1, 2, 3)]

    def left_out(self, target: str) -> Mapping[str, str]:
        """Return nothing: no slide is left out."""
        return {}

    def notes(self, slide: Slide, target: str) -> Sequence[str]:
        """Return nothing: no spot is dropped."""
        return ()

    def table(self, slide: Slide, target: str) -> SpotTable:
        """Return the spots with their dark and light cells: (36, 2) float32."""
        array = np.stack(np.meshgrid(np.arange(_SIDE), np.arange(_SIDE)), axis=-1).reshape(-1, 2)
        xy_px = ((array + 0.5) * _SPOT_PX).astype(np.float32)
        dark = self._darkness(slide)[array[:, 0]]
        return SpotTable(
            slide=slide,
            spot_ids=tuple(f"{x}x{y}" for x, y in array),
            xy_um=xy_px * np.float32(_MPP),
            xy_px=xy_px,
            array=array,
            targets=Targets(
                kind="cell_abundance",
                names=("dark", "light"),
                values=np.stack([20 * dark, 12 - 10 * dark], axis=1).astype(np.float32),
            ),
        )

    def image(self, slide: Slide) -> SlideImage:
        """Paint the stripes."""
        columns = np.repeat(230 - 150 * self._darkness(slide), _SPOT_PX)
        return ArrayImage(np.tile(columns[None, :, None], (_SIDE * _SPOT_PX, 1, 3)).astype(np.uint8))

    def fingerprint(self, slide: Slide, target: str) -> str:
        """Return a string that identifies the content of the slide; raise the number when the content changes."""
        return f"stripes-1-{slide.id}"

    def _darkness(self, slide: Slide) -> Float:
        """Compute how dark each column of spots is: (6,) in [0, 1]."""
        waves: Float = np.sin(np.arange(_SIDE) * int(slide.id[-1]) * 0.7)
        return (1 + waves) / 2
