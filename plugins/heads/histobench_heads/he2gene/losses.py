"""The losses of HE2Gene (``he2gene.md``, section 6)."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from histobench_heads.he2gene.network import He2GeneOutput
from histobench_heads.he2gene.options import He2GeneOptions, He2GeneSpatOptions

__all__ = ["Batch", "he2gene_losses", "spatial_loss"]


class Batch(NamedTuple):
    """The n seed spots of a step, and m - n neighbours, of which only the patches are used.

    Attributes
    ----------
    patches
        (m, s, s, 3) uint8, seeds first.
    targets, others
        (n, t) and (n, g) float32.
    label, labelled
        (n, c) float32 and (n,) bool; a spot without a label does not enter the loss of the label.
    edges
        (2, e) int64 positions in ``patches``: a neighbour with the same label, and its spot.
    """

    patches: Tensor
    targets: Tensor
    others: Tensor
    label: Tensor
    labelled: Tensor
    edges: Tensor


def he2gene_losses(output: He2GeneOutput, batch: Batch, /, *, options: He2GeneOptions) -> Mapping[str, Tensor]:
    """Compute the weighted sum, ``loss``, and its terms before weighting."""
    n = len(batch.targets)
    terms = {"target": functional.mse_loss(output.targets[:n], batch.targets)}
    weights = {"target": 1.0}
    if batch.others.shape[1]:
        terms["other"], weights["other"] = functional.mse_loss(output.others, batch.others), options.weight_other
    if batch.label.shape[1]:
        terms["label"], weights["label"] = _label_loss(output.label, batch), options.weight_label
    if isinstance(options, He2GeneSpatOptions):
        terms["spatial"] = spatial_loss(output.targets, batch.edges, n_seeds=n)
        weights["spatial"] = options.weight_spatial
    total = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
    return {"loss": total, **terms}


def spatial_loss(predicted: Tensor, edges: Tensor, /, *, n_seeds: int) -> Tensor:
    """Average the squared distance of each seed's prediction to the mean of its neighbours' predictions.

    Parameters
    ----------
    predicted
        (m, t), seeds first; gradients go to seeds and neighbours alike.
    edges
        (2, e) int64 positions: neighbour, spot. Seeds without a neighbour do not count; without any edge the loss is 0.
    """
    neighbour, spot = edges[:, edges[1] < n_seeds]
    totals = predicted.new_zeros(n_seeds, predicted.shape[1]).index_add(0, spot, predicted[neighbour])
    counts = torch.bincount(spot, minlength=n_seeds)
    drawn = counts > 0
    if not drawn.any():
        return predicted.sum() * 0
    means = totals[drawn] / counts[drawn, None]
    return functional.mse_loss(predicted[:n_seeds][drawn], means)


def _label_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Average the cross-entropy over the spots with a label: binary for tumour, otherwise over classes."""
    if not batch.labelled.any():
        return logits.sum() * 0
    logits, label = logits[batch.labelled], batch.label[batch.labelled]
    if label.shape[1] == 1:
        return functional.binary_cross_entropy_with_logits(logits, label)
    return functional.cross_entropy(logits, label)
