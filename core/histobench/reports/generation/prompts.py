"""Prompts of ``histobench generate``: spots of an AnnData file, rows of a matrix, and paths between two rows."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from histobench.contracts.drawing import Drawer, interpolate
from histobench.contracts.lazy import lazy
from histobench.data import Counts, Float, Int
from histobench.errors import ConfigError, DataError, did_you_mean, explain

__all__ = ["Prompts", "between", "count_genes", "from_counts", "from_rows", "read_counts", "read_matrix"]

_DRAW_SEED = 1  # clip_gan, section 7: which spots of a cluster are drawn

_read_h5ad = lazy("anndata:read_h5ad")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """The prompts of a run.

    Attributes
    ----------
    vectors
        (p, c) in the space of the method.
    rows
        (p,) the row of the file; -1 for a prompt between two rows.
    labels
        (p,) name of the cluster, or of the place on a path; else empty.
    folders
        (p,) the folder of its images; empty for the output folder itself.
    """

    vectors: Float
    rows: Int
    labels: tuple[str, ...]
    folders: tuple[str, ...]

    def __len__(self) -> int:
        """Count the prompts."""
        return len(self.vectors)


def from_counts(method: Drawer, counts: Counts, clusters: npt.NDArray[np.str_] | None, *, n_samples: int) -> Prompts:
    """Draw spots of a file of raw counts, of each cluster or of all, without replacement.

    Parameters
    ----------
    clusters
        (n,) a label for each spot; ``None`` treats all spots as one cluster.
    n_samples
        Spots of each cluster; all spots of a cluster that has fewer.

    Raises
    ------
    ConfigError
        If `n_samples` is less than 1.
    DataError
        If there are no spots, or not one label for each.
    """
    n = len(counts.values)
    if n_samples < 1:
        raise ConfigError(f"--n-samples must be at least 1, got {n_samples}.")
    if not n:
        raise DataError("the file has no spots: there is no prompt to draw from.")
    if clusters is not None and len(clusters) != n:
        raise DataError(
            f"there are {len(clusters)} cluster labels for {n} spots: give one for each spot, in the same order."
        )
    names = [""] if clusters is None else sorted(set(clusters.tolist()))
    stream = np.random.RandomState(_DRAW_SEED)
    chosen: list[Int] = []
    for name in names:
        spots = np.arange(n) if clusters is None else np.flatnonzero(clusters == name)
        chosen.append(stream.permutation(spots)[:n_samples])
    rows = np.concatenate(chosen)
    numbers = [number for number, spots in enumerate(chosen) for _ in spots]
    return Prompts(
        vectors=method.prompts(counts.take(rows)),
        rows=rows,
        labels=tuple(names[number] for number in numbers),
        folders=tuple("" if clusters is None else f"cluster_{number}" for number in numbers),
    )


def count_genes(path: Path, counts: Counts, genes: tuple[str, ...], *, least: float) -> str:
    """Report how many of a method's genes (N,) a file of spots has; the others are read as not expressed.

    Parameters
    ----------
    least
        Smallest share of the genes with which a prompt is accepted.

    Raises
    ------
    DataError
        If the file has a smaller share, or none.
    """
    known = set(counts.names)
    lacking = [gene for gene in genes if gene not in known]
    n_found = len(genes) - len(lacking)
    found = f"{str(path)!r} has {n_found} of the {len(genes)} genes that the method reads"
    if not n_found or n_found < least * len(genes):
        own = f"it has genes such as {counts.names[0]!r}" if counts.names else "it has no genes"
        raise DataError(
            f"{found}; the others, such as {lacking[0]!r}, would be read as not expressed. Use a file with at least "
            f"{least:.0%} of them under the same names ({own}), or lower that share with --min-genes."
        )
    return f"{found}; the others, such as {lacking[0]!r}, are read as not expressed." if lacking else f"{found}."


def from_rows(method: Drawer, matrix: Float, *, encoded: bool) -> Prompts:
    """Use every row of a matrix as a prompt: (p, N) normalised log expression, or (p, c) embeddings."""
    vectors = matrix if encoded else method.encode(matrix)
    n = len(vectors)
    return Prompts(vectors=vectors, rows=np.arange(n), labels=("",) * n, folders=("",) * n)


def between(first: Float, second: Float, n_steps: int) -> Prompts:
    """Interpolate from one prompt (c,) to another on the sphere, both ends included."""
    path = interpolate(first, second, n_steps)
    places = tuple(f"t{round(float(t), 4)}" for t in np.linspace(0.0, 1.0, n_steps))
    return Prompts(vectors=path, rows=np.full(n_steps, -1), labels=places, folders=("",) * n_steps)


def read_matrix(path: Path) -> Float:
    """Read rows of numbers from an ``.npy`` file: (p, c) float32; nothing is unpickled.

    Raises
    ------
    DataError
        If the file is missing, damaged, or is not a table of finite numbers.
    """
    if not path.exists():
        raise DataError(f"there is no file {str(path)!r}.")
    try:
        matrix = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise DataError(f"{str(path)!r} cannot be read as a matrix: {explain(error)}") from error
    if not isinstance(matrix, np.ndarray) or matrix.ndim != 2 or matrix.dtype.kind not in "fiu" or not len(matrix):
        raise DataError(f"{str(path)!r} must contain a table of numbers, one row per prompt.")
    with np.errstate(over="ignore"):  # values beyond float32 are refused below
        rows = matrix.astype(np.float32)
    if not np.isfinite(rows).all():
        raise DataError(f"{str(path)!r} contains NaN, infinite or too large values.")
    return rows


def read_counts(path: Path, clusters: str | None) -> tuple[Counts, npt.NDArray[np.str_] | None, str]:
    """Read raw counts (n, g) of an AnnData file, and a label for each spot.

    Parameters
    ----------
    clusters
        An ``.npy`` file of n labels, or the name of a column of ``obs``.

    Returns
    -------
    The counts, the labels if requested, and a warning, which is empty if the counts look raw.

    Raises
    ------
    DataError
        If a file is missing or damaged.
    """
    try:
        table = _read_h5ad(path)
        matrix = table.X.toarray() if hasattr(table.X, "toarray") else np.asarray(table.X)
    except Exception as error:  # anndata, h5py and zarr raise many types for a wrong file
        raise DataError(f"{str(path)!r} cannot be read as AnnData: {explain(error)}") from error
    names = tuple(str(name) for name in table.var_names)
    counts = Counts(names=names, values=matrix.astype(np.float32))
    whole = bool(np.array_equal(counts.values, np.rint(counts.values)))
    warning = (
        "" if whole else f"{path} contains numbers that are not whole: raw counts are expected, not normalised ones."
    )
    return counts, _labels(table.obs, clusters), warning


def _labels(obs: "object", clusters: str | None) -> npt.NDArray[np.str_] | None:
    if clusters is None:
        return None
    if clusters.endswith(".npy"):
        try:
            labels: npt.NDArray[np.str_] = np.load(clusters, allow_pickle=False).ravel().astype(np.str_)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{clusters!r} cannot be read as labels: {explain(error)}") from error
        return labels
    columns = [str(name) for name in obs.columns]  # type: ignore[attr-defined]  # a pandas frame of anndata's
    if clusters not in columns:
        raise did_you_mean("column of obs", clusters, columns)
    return np.array(obs[clusters].astype(str), dtype=np.str_)  # type: ignore[index]
