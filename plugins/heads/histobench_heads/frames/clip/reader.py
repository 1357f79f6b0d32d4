"""Which genes move a profile in the shared space, for the analysis ``attribution``."""

from dataclasses import dataclass

import torch

from histobench import Counts, Float
from histobench_heads.frames.clip.modules import GeneClip
from histobench_heads.frames.clip.vocabulary import Vocabulary

__all__ = ["ClipReader"]


@dataclass(frozen=True, slots=True)
class ClipReader:
    """The gene branch of a fitted model, without dropout."""

    model: GeneClip
    vocabulary: Vocabulary

    def read_genes(self, counts: Counts) -> tuple[tuple[str, ...], Float]:
        """Return the N genes of the vocabulary, and raw counts (n, g) as the input of the model: (n, N)."""
        return self.vocabulary.names, self.vocabulary.read(counts)

    def distance_gradient(self, profiles: Float, reference: Float) -> tuple[Float, Float]:
        """Return the (m,) squared distances of (m, N) profiles from a reference (N,), and their (m, N) gradient."""
        parameter = next(self.model.gene_encoder.parameters())
        moved = torch.tensor(profiles, dtype=parameter.dtype, device=parameter.device, requires_grad=True)
        fixed = torch.tensor(reference[None], dtype=parameter.dtype, device=parameter.device)
        with torch.enable_grad():
            distance = ((self.model.genes(moved) - self.model.genes(fixed).detach()) ** 2).sum(dim=1)
            (gradient,) = torch.autograd.grad(distance.sum(), moved)
        return distance.detach().cpu().double().numpy(), gradient.cpu().double().numpy()
