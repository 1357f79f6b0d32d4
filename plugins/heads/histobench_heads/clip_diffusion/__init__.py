"""Stable Diffusion conditioned on embeddings of gene expression."""
