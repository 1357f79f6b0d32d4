"""Gradient-boosted regression trees on the embeddings of a frozen encoder."""
