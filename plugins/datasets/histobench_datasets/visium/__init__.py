"""From Space Ranger output and a whole-slide image to patches and counts in the same order: ``histobench prepare``.

Standard Visium gives a patch a spot; Visium HD gives one a pseudo-spot, the window of bins that a Visium spot would
cover. Either way the n-th image belongs to the n-th row of the counts, whose columns follow a vocabulary of genes.

Written from a specification of the published preprocessing, not from its source.

Differences from the published preprocessing
--------------------------------------------
- Members of a pseudo-spot are counted from the lattice's first row and column once, not twice, so that counts and image
  agree wherever the tissue lies.
- Where microns per pixel follow from the spot's diameter, a spot is taken for the 65 µm that Space Ranger documents;
  ``--spot-diameter-um 55`` gives the published patches.
- Standard Visium, too, writes its counts, and loses the rows of the patches that a background filter drops.
- What lies outside the slide is white, as everywhere in histobench, not black.
- Stain statistics come from the slide's own level 1, whatever its reduction, and from every k-th pixel of it where it
  is so large that all would not fit into memory.
- Random patches come from all polygons by their area, by a seed, and respect holes.
- Files of both ages of Space Ranger are told apart by their content; there is no ``--below-v2``.
- Several commands of the published pipeline could not run (names of genes that kept their line's end, an image folder
  per letter of a sample's name); here they do.
"""
