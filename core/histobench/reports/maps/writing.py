"""Writing pictures: the same figure gives the same bytes."""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

__all__ = ["write_png"]


def write_png(figure: Figure, path: Path) -> None:
    """Write a figure without metadata about the software."""
    FigureCanvasAgg(figure).print_png(path, metadata={"Software": None})
