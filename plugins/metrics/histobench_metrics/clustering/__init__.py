"""Domains found in a latent, and whether they are the annotated regions."""
