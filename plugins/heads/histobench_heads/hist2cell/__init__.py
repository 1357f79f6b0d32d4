"""Hist2Cell: cell abundances from patches, their lattice neighbours and all spots of a batch.

`options` can be imported without torch; `batching` decides which spots share a step, `network` is the model and
`method` trains it and predicts.
"""
