"""hist2scRNA: zero-inflated counts and cell classes from patches and their neighbours, and its lightweight form.

`options` can be imported without torch; `network` holds both models, `learning` the loss and the prediction, `method`
trains the full model and predicts, and `light` does the same for the lightweight one.
"""
