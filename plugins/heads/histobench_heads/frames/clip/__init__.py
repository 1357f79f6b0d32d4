"""CLIP of gene expression and histology: one space for the patch and the transcripts of a spot."""
