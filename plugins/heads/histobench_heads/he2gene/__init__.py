"""HE2Gene: a network predicts a panel of genes, all other genes and the tumour label at once from one patch.

`options` can be imported without torch; `network` is the module, `windows` makes the views of a test patch, `labels`
reads annotations, `batches` chooses which spots share a step, and `method` trains and predicts.
"""
