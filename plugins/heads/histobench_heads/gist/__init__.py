"""GIST: measured expression and a patch's embedding, fused by graph transformers into a latent and cleaner expression.

`options` can be imported without torch; `expression` and `graph` prepare a section, `attention` and `network` are the
model, `method` trains it and enhances.
"""
