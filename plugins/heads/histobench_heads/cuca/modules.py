"""The modules of CUCA and CUCAMLP; attributes carry the published names."""

from typing import NamedTuple

from torch import Tensor, nn
from typing_extensions import override

__all__ = ["CucaModule", "CucaOutput", "MolecularBranch"]


class CucaOutput(NamedTuple):
    """The outputs of the module in training.

    Attributes
    ----------
    image_latent, molecular_latent
        (n, q) to be aligned.
    abundances
        (n, t) unbounded.
    reconstruction
        (n, g) of the input genes.
    """

    image_latent: Tensor
    abundances: Tensor
    molecular_latent: Tensor
    reconstruction: Tensor


class MolecularBranch(nn.Module):
    """The autoencoder of genes: (n, g) to a signed latent (n, q) and back.

    It follows MCAT's self-normalising network, without SELU and alpha dropout.

    Parameters
    ----------
    widths
        Widths of the two hidden layers and of the latent.
    """

    def __init__(self, n_genes: int, widths: tuple[int, int, int], *, dropout: float) -> None:
        super().__init__()
        first, second, latent = widths
        self.fc_omic = nn.Sequential(
            nn.Sequential(nn.Linear(n_genes, first), nn.ReLU(), nn.Dropout(dropout)),
            nn.Sequential(nn.Linear(first, second), nn.ReLU(), nn.Dropout(dropout)),
            nn.Linear(second, latent),
        )
        self.classifier = nn.Sequential(
            nn.Linear(latent, latent), nn.ReLU(), nn.Dropout(dropout), nn.Linear(latent, n_genes)
        )
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_normal_(layer.weight)
                nn.init.zeros_(layer.bias)

    @override
    def forward(self, genes: Tensor) -> tuple[Tensor, Tensor]:
        latent = self.fc_omic(genes)
        return latent, self.classifier(latent)


class CucaModule(nn.Module):
    """CUCA, and CUCAMLP without a backbone: images to abundances, and with genes to all four outputs.

    Parameters
    ----------
    projector
        With a closing norm and ReLU for CUCA, without for CUCAMLP.
    projection
        Width of its output.
    align_before_relu
        Align the image latent before the closing ReLU.
    """

    def __init__(
        self,
        projector: nn.Sequential,
        molecular: MolecularBranch,
        *,
        projection: int,
        n_targets: int,
        backbone: nn.Module | None = None,
        align_before_relu: bool = False,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.projector_head = projector
        self.regression_head = nn.Linear(projection, n_targets)
        self.snn_branch = molecular
        self._align_before_relu = align_before_relu

    @override
    def forward(self, images: Tensor, genes: Tensor | None = None) -> Tensor | CucaOutput:
        features = images if self.backbone is None else self.backbone(images)
        if genes is None:
            predicted: Tensor = self.regression_head(self.projector_head(features))
            return predicted
        image_latent, projected = self._project(features)
        molecular_latent, reconstruction = self.snn_branch(genes)
        return CucaOutput(image_latent, self.regression_head(projected), molecular_latent, reconstruction)

    def _project(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the latent to align and the latent to regress from."""
        if not self._align_before_relu:
            projected = self.projector_head(features)
            return projected, projected
        signed = self.projector_head[:-1](features)
        return signed, self.projector_head[-1](signed)
