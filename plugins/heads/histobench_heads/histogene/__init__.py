"""HisToGene: a vision transformer over all spots of a slide.

`options` can be imported without torch; `network` is the model and `method` trains it and predicts.
"""
