"""The stored predictions of a job, from which any metric can score it later."""

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from histobench.data import Hidden, ImageFeatures, Prediction, SlideResult, Targets, TrainingFacts
from histobench.errors import DataError
from histobench.files import new_hdf5, replacing, store_errors

__all__ = ["read_predictions", "read_training", "write_predictions"]

_READ_ERRORS = (
    OSError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    RuntimeError,
)  # of h5py, if damaged
_TRAINING = "training"  # the slides' groups are numbers


def write_predictions(path: Path, results: Sequence[SlideResult], training: TrainingFacts | None = None) -> None:
    """Write predictions and observations, one group per slide, so that other metrics can score them later.

    ``training`` holds what metrics may know about the training set.
    """
    # `track_order`: slides stay in test order
    with store_errors(path.parent), replacing(path) as partial, new_hdf5(partial, track_order=True) as file:
        for number, result in enumerate(results):
            _write_slide(file.create_group(str(number)), result)  # a slide's name may hold a slash
        if training is not None:
            facts = file.create_group(_TRAINING)
            for column in fields(TrainingFacts):
                facts[column.name] = getattr(training, column.name)


def read_predictions(path: Path) -> list[SlideResult]:
    """Read what `write_predictions` wrote.

    Raises
    ------
    DataError
        If the file is missing or damaged.
    """
    try:
        with h5py.File(path, "r") as file:
            return [_read_slide(group) for name, group in file.items() if name != _TRAINING]
    except _READ_ERRORS as error:
        raise DataError(f"{path} holds no predictions: {error}.") from error


def read_training(path: Path) -> TrainingFacts | None:
    """Read what metrics may know about the training set; ``None`` if it was not stored.

    Raises
    ------
    DataError
        If the file is missing or damaged.
    """
    try:
        with h5py.File(path, "r") as file:
            facts = file.get(_TRAINING)
            return None if facts is None else TrainingFacts(**{name: values[:] for name, values in facts.items()})
    except _READ_ERRORS as error:
        raise DataError(f"{path} holds no predictions: {error}.") from error


def _write_slide(group: h5py.Group, result: SlideResult) -> None:
    group.attrs["slide"] = result.slide_id
    group["spot_ids"] = np.array(result.spot_ids, dtype=h5py.string_dtype())
    group["xy_um"] = result.xy_um
    if result.mpp is not None:
        group.attrs["mpp"] = result.mpp
    if result.regions is not None:
        group["regions"] = np.array(result.regions, dtype=h5py.string_dtype())
    _write_table(group, result.predicted, result.observed)
    _write_arrays(group, "hidden", result.hidden)
    _write_arrays(group, "features", result.features)
    for name, observed in result.beside.items():
        _write_table(group.create_group(f"beside/{name}"), result.predicted.beside[name], observed)


def _write_arrays(group: h5py.Group, name: str, holder: Hidden | ImageFeatures | None) -> None:
    """Write a dataclass of arrays; images are the only large ones, and compress to half their size."""
    for column in fields(holder) if holder is not None else ():
        values = getattr(holder, column.name)
        if values is not None:
            small = {"compression": "gzip", "chunks": (1, *values.shape[1:])} if values.dtype == np.uint8 else {}
            group.create_dataset(f"{name}/{column.name}", data=values, **(small if len(values) else {}))


def _read_arrays(group: h5py.Group, name: str) -> dict[str, Any]:  # Any: arrays of different types
    return {column: values[:] for column, values in group[name].items()}


def _write_table(group: h5py.Group, predicted: Prediction, observed: Targets) -> None:
    group.attrs["kind"] = observed.kind
    group["names"] = np.array(observed.names, dtype=h5py.string_dtype())
    group["predicted"] = predicted.values
    group["observed"] = observed.values
    if predicted.latent is not None:
        group["latent"] = predicted.latent
    for name, values in predicted.parameters.items():
        group[f"parameters/{name}"] = values


def _read_table(group: h5py.Group) -> tuple[Prediction, Targets]:
    names = tuple(group["names"].asstr()[:])
    parameters = {name: values[:] for name, values in group.get("parameters", {}).items()}
    latent = group["latent"][:] if "latent" in group else None
    predicted = Prediction(names=names, values=group["predicted"][:], parameters=parameters, latent=latent)
    return predicted, Targets(kind=group.attrs["kind"], names=names, values=group["observed"][:])


def _read_slide(group: h5py.Group) -> SlideResult:
    predicted, observed = _read_table(group)
    beside = {name: _read_table(inner) for name, inner in group.get("beside", {}).items()}
    return SlideResult(
        slide_id=str(group.attrs["slide"]),
        spot_ids=np.array(group["spot_ids"].asstr()[:], dtype=np.str_),
        xy_um=group["xy_um"][:],
        mpp=float(group.attrs["mpp"]) if "mpp" in group.attrs else None,
        regions=np.array(group["regions"].asstr()[:], dtype=np.str_) if "regions" in group else None,
        predicted=replace(predicted, beside={name: table for name, (table, _) in beside.items()}),
        observed=observed,
        beside={name: observation for name, (_, observation) in beside.items()},
        hidden=Hidden(**_read_arrays(group, "hidden")) if "hidden" in group else None,
        features=ImageFeatures(**_read_arrays(group, "features")) if "features" in group else None,
    )
