"""The words that cards use of data: kinds of task, lattices, and what methods and metrics ask for."""

from typing import Literal, TypeAlias

__all__ = ["Auxiliary", "Kind", "Lattice", "Need"]

Kind: TypeAlias = Literal["gene_expression", "cell_abundance", "label", "enhance", "retrieve", "generate"]
"""What a task asks for at a spot.

``gene_expression``, ``cell_abundance``, ``label``: predict from the image. ``enhance``: remove the noise of measured
expression. ``retrieve``: find the spot's image by its expression, and the reverse. ``generate``: draw a patch for an
expression.
"""

Lattice: TypeAlias = Literal["square", "hex"]
"""The arrangement of spots on the capture area."""

Auxiliary: TypeAlias = Literal["gene_expression", "other_genes", "counts", "label", "cell_abundance"]
"""What a method may train with in addition to the targets that it predicts.

``gene_expression``: the fold's panel of genes. ``other_genes``: every gene seen in training that is not predicted, in
the same unit. ``counts``: raw counts of the predicted genes. ``label``: one-hot classes, a row of zeros where a spot
has none. ``cell_abundance``: the dataset's default abundance.
"""

Need: TypeAlias = Literal[
    "place", "pixels", "training", "regions", "interval", "nb", "zinb", "latent", "hidden", "oracle", "features"
]
"""What a metric asks for in addition to prediction and observation.

``place``: positions of the spots. ``pixels``: microns per pixel of the image. ``training``: statistics of each target
over the training spots. ``regions``: an annotation of the spots. ``interval``: the ends of 90 % predictive intervals.
``nb``, ``zinb``: the parameters of a negative binomial, without and with zero inflation. ``latent``: the latent vector
that an enhancing method returns for each spot. ``hidden``: the molecules and entries held out from an enhancing method.
``oracle``: the expression that the counts were drawn from. ``features``: features of generated and real patches.
"""
