"""GIST: graph transformers fuse measured expression and a patch's embedding into a latent and denoised expression.

`options` can be imported without torch; `attention` and `network` are the model, `method` trains it and enhances
sections, which `frames.expression` and `frames.radius_graph` prepare.
"""
