"""Predictions with their uncertainty: count distributions and intervals."""
