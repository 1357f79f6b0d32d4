"""Reproduction of published numbers: what is missing, and the published average of the scores."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from histobench.contracts.cards import DatasetCard, MethodCard
from histobench.contracts.published import Reproduction, View
from histobench.contracts.registry import Registry
from histobench.errors import HistobenchError, explain
from histobench.results.records import RunRecord
from histobench.weights.slots import asked_encoder

__all__ = ["encoder_asked", "missing", "reproduced"]


def encoder_asked(card: MethodCard, published: Reproduction) -> str:
    """Return the encoder behind the number, as ``--encoders`` takes it; empty for a method without an encoder."""
    if card.encoder is None or published.encoder:
        return published.encoder
    return f"{card.encoder.default}@{card.encoder.default_mode}"


def missing(card: MethodCard, published: Reproduction, registry: Registry, data_root: Path | None) -> list[str]:
    """List everything that is missing for a reproduction of the number, a sentence each."""
    return [
        *_missing_of_dataset(published, registry, data_root),
        *(
            _missing_released(published)
            if "weights" in published.settings
            else _missing_encoder(card, published, registry)
        ),
        *([] if published.metric in registry.metrics.cards else [f"metric {published.metric!r} is not installed"]),
    ]


def reproduced(records: Sequence[RunRecord], metric: str, view: View) -> float:
    """Average scores as publications do: over folds or slides for each target, then over targets; NaN is skipped.

    If the folds have different panels, targets are averaged within each fold first.
    """
    rows = [row for record in records for row in _rows(record, metric, view)]
    if not rows:
        return float("nan")
    if len({record.targets for record in records}) == 1:
        return _mean(_means(np.array(rows).T))
    return _mean(_means(rows))


def _missing_of_dataset(published: Reproduction, registry: Registry, data_root: Path | None) -> list[str]:
    if published.dataset not in registry.datasets.cards:
        return [f"dataset {published.dataset!r} is not installed (`histobench list datasets` shows those that are)"]
    card = registry.datasets.get(published.dataset)
    found = []
    offered = [target.name for target in card.targets]
    if published.target not in offered:
        found.append(f"{card.name} here offers the targets {', '.join(offered)}, not {published.target}")
    schemes = [scheme.name for scheme in card.schemes]
    if published.scheme not in schemes:
        found.append(f"{card.name} here offers the schemes {', '.join(schemes)}, not {published.scheme}")
    target = published.target if published.target in offered else offered[0]
    return [*found, *_missing_slides(card, published, target, data_root)]


def _missing_slides(card: DatasetCard, published: Reproduction, target: str, data_root: Path | None) -> list[str]:
    try:
        slides = card.build(data_root).slides(target)
    except Exception as error:  # noqa: BLE001 -- a third-party dataset may raise anything
        return [f"{card.name} cannot be read: {explain(error)}"]
    found = []
    for what, n_here, n_published in (
        ("slides", len(slides), published.slides),
        ("patients", len({slide.patient for slide in slides}), published.patients),
    ):
        if n_here < n_published:
            found.append(f"only {n_here} of {n_published} {what} of {card.name} are available")
    return found


def _missing_released(published: Reproduction) -> list[str]:
    """Check for the converted weights of a number that was not trained; they include their encoder."""
    file = Path(str(published.settings["weights"]))
    return [] if file.is_file() else [f"{file.name!r}, the converted released weights, is not in this folder"]


def _missing_encoder(card: MethodCard, published: Reproduction, registry: Registry) -> list[str]:
    if card.encoder is None:
        return []
    try:
        choice = asked_encoder(registry, card.encoder, encoder_asked(card, published))
    except HistobenchError as error:
        return [str(error).rstrip(".")]
    if isinstance(choice, str):
        return [f"{card.name} cannot take encoder {published.encoder!r}: {choice}"]
    stands_in = choice.stands_in_for
    return [f"the weights of {stands_in!r} are missing ({choice.card.name!r} is another encoder)"] if stands_in else []


def _rows(record: RunRecord, metric: str, view: View) -> list[npt.NDArray[np.float64]]:
    scores = record.scores[metric]
    if view == "per slide":
        return list(scores.table()[1])
    return [np.array([np.nan if score is None else score for score in scores.pooled], dtype=np.float64)]


def _means(rows: Sequence[npt.NDArray[np.float64]] | npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.array([_mean(row) for row in rows])


def _mean(values: npt.NDArray[np.float64]) -> float:
    """Average the defined values; NaN, without a warning, if there are none."""
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if len(defined) else float("nan")
