"""THItoGene: dynamic convolution, capsules, a transformer over the slide and graph attention.

`options` can be imported without torch. `dynamic_convolution` and `capsules` read each patch, `graph_attention` mixes
neighbours, `network` puts them together and `method` trains it, one slide per step.
"""
