"""CUCA's three losses: abundances, reconstruction of the genes, alignment of the latents."""

import torch
from torch import Tensor
from torch.nn import functional

from histobench_heads.cuca.modules import CucaOutput
from histobench_heads.cuca.options import Alignment, CompanionOptions

__all__ = ["INFONCE_TEMPERATURE", "align", "cuca_losses", "infonce", "rmse"]

INFONCE_TEMPERATURE = 0.01
"""Published (cuca, Loss)."""


def rmse(predicted: Tensor, observed: Tensor, /, *, epsilon: float = 0.0) -> Tensor:
    """Compute one root over all entries, not one per target; published: without epsilon (protocol, section 5)."""
    return torch.sqrt(torch.mean((predicted - observed) ** 2) + epsilon)


def infonce(query: Tensor, key: Tensor, /) -> Tensor:
    """Classify the key row of each query row among the batch, by cosine similarity, in one direction.

    References
    ----------
    van den Oord et al. (2018), *Representation learning with contrastive predictive coding*.
    """
    logits = functional.normalize(query, dim=1) @ functional.normalize(key, dim=1).T / INFONCE_TEMPERATURE
    return functional.cross_entropy(logits, torch.arange(len(query), device=query.device))


def align(image: Tensor, molecular: Tensor, /, *, how: Alignment, epsilon: float) -> Tensor:
    """Measure the distance of the two latents (n, q); the gradient flows into both."""
    if how == "infonce":
        return infonce(image, molecular)
    if how == "kl":
        log_image, log_molecular = functional.log_softmax(image, dim=1), functional.log_softmax(molecular, dim=1)
        return functional.kl_div(log_image, log_molecular, reduction="batchmean", log_target=True)
    return rmse(image, molecular, epsilon=epsilon)


def cuca_losses(
    output: CucaOutput, targets: Tensor, genes: Tensor, /, *, options: CompanionOptions
) -> dict[str, Tensor]:
    """Compute the three terms and their weighted sum, ``loss``."""
    main = rmse(output.abundances, targets, epsilon=options.rmse_epsilon)
    reconstruction = rmse(output.reconstruction, genes, epsilon=options.rmse_epsilon)
    alignment = align(output.image_latent, output.molecular_latent, how=options.alignment, epsilon=options.rmse_epsilon)
    total = (
        options.weight_main * main
        + options.weight_reconstruction * reconstruction
        + options.weight_alignment * alignment
    )
    return {"loss": total, "main": main, "reconstruction": reconstruction, "alignment": alignment}
