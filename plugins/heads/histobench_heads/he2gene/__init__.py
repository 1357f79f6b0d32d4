"""HE2Gene: a panel of genes, all other genes and the tumour label at once, from one patch by a network trained whole.

`options` can be imported without torch; `network` is the module, `windows` the views of a test patch, `labels` what is
made of annotations, `batches` which spots share a step, `losses` what is minimised, and `method` trains and predicts.
"""
