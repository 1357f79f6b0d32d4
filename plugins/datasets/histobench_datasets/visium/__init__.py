"""Visium and Visium HD: two datasets, and ``histobench prepare``, which makes patches and counts in the same order.

`prepare` reads Space Ranger output and a whole-slide image. Standard Visium gives one patch per spot. Visium HD gives
one patch per pseudo-spot, a square window of bins as large as a Visium spot. In both cases the n-th image belongs to
the n-th row of the counts, and the columns of the counts follow a gene vocabulary.

Written from a specification of the published preprocessing, not from its source.

Differences from the published preprocessing
--------------------------------------------
- The bins of a pseudo-spot are found from the first row and column of the lattice, subtracted once, not twice. Counts
  and image therefore agree wherever the tissue is.

- Where microns per pixel follow from the spot diameter, it is taken as the 65 µm that Space Ranger documents;
  ``--spot-diameter-um 55`` gives the published patches.
- Counts are written for standard Visium as well, without the rows of patches that the background filter drops.
- Pixels outside the slide are white, as everywhere in histobench, not black.
- Stain statistics come from level 1 of the slide, whatever its downsampling. If that is too large for memory, every
  k-th pixel is used.
- Random patches are drawn from all polygons in proportion to their area, follow a seed, and avoid holes.
- The files of older and newer Space Ranger versions are recognised by their content; there is no ``--below-v2``.
- Several published commands could not run (gene names kept their line ends; each letter of a sample name got its own
  image folder). They run here.
"""
