"""A finished job as AnnData files, one per test slide, for further work in scanpy."""

import hashlib
from pathlib import Path

import anndata
import numpy as np

from histobench.contracts.tasks import TASKS
from histobench.data import SlideResult
from histobench.files import new_hdf5, replacing, store_errors
from histobench.results.records import JobSpec

__all__ = ["ENHANCED", "export_slide", "file_name"]

_LONGEST = 150  # bytes of a slide's name in a file name, which may have 255

ENHANCED = "enhanced"
"""Name of the layer of enhanced expression; any other prediction is in ``predicted``."""


def file_name(slide_id: str) -> str:
    """Return a file name for a slide; a changed name ends in a hash, so that no two slides share a file."""
    plain = "".join(char if char.isalnum() or char in "._-" else "_" for char in slide_id)
    plain = plain.encode()[:_LONGEST].decode(errors="ignore")
    changed = plain != slide_id or plain.startswith(".")
    return f"{plain}-{hashlib.sha256(slide_id.encode()).hexdigest()[:8]}.h5ad" if changed else f"{plain}.h5ad"


def export_slide(result: SlideResult, job: JobSpec, path: Path) -> None:
    """Write one slide of a job.

    ``X`` is the observation (for a method that enhances, the molecules held out from it). ``layers`` contains the
    prediction, named `ENHANCED` for a method that enhances and ``predicted`` for any other. ``obsm`` contains
    ``spatial`` in microns, and the latent under the method's name. For a method that retrieves, ``obsm`` contains
    ``image`` and ``expression``; for one that generates, the features of the ``generated`` and ``real`` patches.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    table = _table(result, job)
    table.obs_names = [str(spot) for spot in result.spot_ids]
    table.obsm["spatial"] = np.asarray(result.xy_um, dtype=np.float32)
    if result.regions is not None:
        table.obs["annotation"] = [str(region) for region in result.regions]
    if result.predicted.latent is not None:
        table.obsm[job.method] = result.predicted.latent
    if result.features is not None:
        table.obsm["generated"], table.obsm["real"] = result.features.generated, result.features.real
    table.uns["histobench"] = {"method": job.method, "dataset": job.dataset, "slide": result.slide_id, "fold": job.fold}
    table.strings_to_categoricals()
    with store_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial, new_hdf5(partial) as file:
            anndata.io.write_elem(file, "/", table)


def _table(result: SlideResult, job: JobSpec) -> anndata.AnnData:
    """Return the table: targets in columns, or only the two spaces of a method that retrieves."""
    if not TASKS[job.kind].has_targets:
        spaces = {"image": result.predicted.values, "expression": result.observed.values}
        return anndata.AnnData(shape=(len(result.spot_ids), 0), obsm=spaces)
    layer = ENHANCED if TASKS[job.kind].holds_out_counts else "predicted"
    table = anndata.AnnData(X=result.observed.values.copy(), layers={layer: result.predicted.values.copy()})
    table.var_names = list(result.observed.names)
    return table
