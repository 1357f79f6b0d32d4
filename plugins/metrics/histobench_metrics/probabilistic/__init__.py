"""Predictions that say how sure they are: counts and intervals."""
