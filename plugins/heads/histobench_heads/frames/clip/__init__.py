"""CLIP of gene expression and histology: one space for a spot's patch and its transcripts."""
