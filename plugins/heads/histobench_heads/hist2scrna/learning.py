"""What both hist2scRNA models learn from, their loss, and the prediction that is made from their output."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from histobench import DataError, Float, Int, Kind, LabelledSamples, Prediction, Targets
from histobench_heads.frames.zinb import Zinb, published_zinb_loss, zinb_loss
from histobench_heads.hist2scrna.network import Said
from histobench_heads.hist2scrna.options import CountOptions

__all__ = ["UNLABELLED", "Blueprint", "Truth", "draw_up", "losses", "to_prediction"]

UNLABELLED = -1
"""Class number of a spot without a class."""

_PER = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """What a network is made for, in addition to the options; saved with its weights.

    Attributes
    ----------
    kind
        What is predicted for the record.
    genes
        Names of the counted genes; empty if labels are predicted.
    classes
        Names of the classes; empty if there are none.
    mean_total
        Mean library size of the training spots, over all their genes.
    features
        Width of the embedding; 0 for a network that reads patches.
    """

    kind: Kind
    genes: tuple[str, ...]
    classes: tuple[str, ...]
    mean_total: float
    features: int


class Truth(NamedTuple):
    """What was observed at n spots.

    Attributes
    ----------
    counts
        (n, g) float32.
    classes
        (n,) int64, `UNLABELLED` for none.
    log_size
        (n, 1) float32 ln of the library size over the training mean.
    """

    counts: Tensor
    classes: Tensor
    log_size: Tensor

    @classmethod
    def of(cls, samples: LabelledSamples, blueprint: Blueprint) -> "Truth":
        """Read it from labelled samples.

        Raises
        ------
        DataError
            If counts are needed and are missing, or are not counts.
        """
        labels = _labels(samples)
        classes = np.full(len(samples), UNLABELLED)
        if labels is not None and blueprint.classes:
            classes = np.where(labels.values.any(axis=1), labels.values.argmax(axis=1), UNLABELLED)
        n = len(samples)
        counts = _counts(samples).values if blueprint.genes else np.empty((n, 0), dtype=np.float32)
        totals = _totals(samples) if blueprint.genes else np.ones(n)
        relative = np.maximum(totals, 1) / blueprint.mean_total  # no logarithm of 0 at a spot without transcripts
        return cls(
            counts=torch.as_tensor(counts, dtype=torch.float32),
            classes=torch.as_tensor(classes, dtype=torch.int64),
            log_size=torch.as_tensor(np.log(relative), dtype=torch.float32).unsqueeze(1),
        )

    def rows(self, rows: Int) -> "Truth":
        """Keep some spots."""
        return Truth(*(part[rows] for part in self))


def draw_up(train: LabelledSamples, features: int) -> Blueprint:
    """Read from the training samples what a network must be made for.

    Raises
    ------
    DataError
        If genes are to be predicted and counts are missing, or are not counts.
    """
    kind, labels = train.targets.kind, _labels(train)
    genes = kind == "gene_expression"
    return Blueprint(
        kind=kind,
        genes=_counts(train).names if genes else (),
        classes=() if labels is None else labels.names,
        mean_total=float(_totals(train).mean()) if genes else 1.0,
        features=features,
    )


def losses(output: Said, truth: Truth, options: CountOptions) -> dict[str, Tensor]:
    """Compute the published loss, ZINB + α · cross-entropy; without genes, the cross-entropy alone.

    The cross-entropy is over the spots that have a class, and zero where none has.
    """
    parts: dict[str, Tensor] = {}
    if truth.counts.shape[1]:
        zinb = output.zinb.offset(truth.log_size) if options.size_offset else output.zinb
        published = options.zinb == "upstream"
        parts["zinb"] = (
            published_zinb_loss(truth.counts, *zinb.parameters()) if published else zinb_loss(truth.counts, zinb)
        )
    if output.logits.shape[1]:
        known = truth.classes != UNLABELLED
        total = functional.cross_entropy(output.logits, truth.classes, ignore_index=UNLABELLED, reduction="sum")
        parts["ce"] = total / known.sum().clamp(min=1)
    if "zinb" not in parts:
        return {"loss": parts["ce"], **parts}
    return {"loss": parts["zinb"] + options.alpha * parts["ce"] if "ce" in parts else parts["zinb"], **parts}


def to_prediction(output: Said, blueprint: Blueprint, options: CountOptions) -> Prediction:
    """Convert the output for n spots into the unit of the panel, together with counts and classes."""
    classes = Prediction(names=blueprint.classes, values=output.logits.softmax(dim=1).numpy())
    if blueprint.kind == "label":
        return classes
    zinb = output.zinb.clamped()
    mean, dispersion, zero = (part.numpy() for part in zinb.parameters())
    counts = mean if options.point == "mu" else zinb.mean().numpy()
    count_prediction = Prediction(
        names=blueprint.genes, values=counts, parameters={"mean": mean, "dispersion": dispersion, "zero": zero}
    )
    return Prediction(
        names=blueprint.genes,
        values=_in_panel_unit(zinb, counts, blueprint, options),
        beside={"counts": count_prediction, **({"label": classes} if blueprint.classes else {})},
    )


def _in_panel_unit(zinb: Zinb, counts: Float, blueprint: Blueprint, options: CountOptions) -> Float:
    """Return ln(1 + counts per 10,000), (n, g), at the mean library size of the training spots."""
    scale = _PER / blueprint.mean_total
    if options.logarithm == "log_of_mean":
        values: Float = np.log1p(scale * counts)
        return values
    if options.point == "mu":
        zinb = zinb._replace(zero_logit=torch.full_like(zinb.zero_logit, -torch.inf))
    expected: Float = zinb.expected(lambda count: torch.log1p(scale * count)).numpy()
    return expected


def _labels(samples: LabelledSamples) -> Targets | None:
    return samples.targets if samples.targets.kind == "label" else samples.beside.get("label")


def _counts(samples: LabelledSamples) -> Targets:
    counts = samples.beside.get("counts")
    if counts is None:
        raise DataError(
            "hist2scrna learns from raw counts, and these samples have none: use a dataset with transcript counts."
        )
    if counts.values.size and (counts.values.min() < 0 or (counts.values % 1).any()):
        raise DataError(
            "hist2scrna learns from raw counts, but these numbers are negative or not whole (normalised?): "
            "provide the unprocessed counts."
        )
    return counts


def _totals(samples: LabelledSamples) -> Float:
    if samples.totals is None or not samples.totals.any():
        raise DataError("hist2scrna needs the total transcripts of each spot, and these samples have none.")
    return samples.totals
