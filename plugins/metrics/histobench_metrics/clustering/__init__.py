"""Domains found in a latent, and how well they agree with the annotated regions."""
