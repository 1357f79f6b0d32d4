"""Comparison of predicted and observed maps."""
