"""hist2scRNA: zero-inflated counts and cell classes from patches and their neighbours, and its lightweight form.

`options` can be imported without torch; `network` holds both models, `learning` the loss and what is predicted from
it, `method` trains and predicts the full model and `light` the lightweight one.
"""
