"""Hist2Cell: cell abundances from patches, their lattice neighbours and all spots of a batch.

`options` can be imported without torch; `network` is the model and `method` trains it and predicts, on the batches of
`histobench_heads.frames.neighbourhoods`.
"""
