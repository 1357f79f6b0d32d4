"""Hist2ST: a ConvMixer per patch, a transformer over the slide, graph layers over near spots and an LSTM over those.

`options` can be imported without torch; `modules` are the parts, `network` is the model, `distillation` its augmented
copies, and `method` trains it and predicts.
"""
