"""Hist2ST: a ConvMixer per patch, a transformer over the slide, graph layers over nearby spots, and an LSTM.

`options` can be imported without torch; `modules` are the parts, `network` is the model, `distillation` makes its
augmented copies, and `method` trains it and predicts.
"""
