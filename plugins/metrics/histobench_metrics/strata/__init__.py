"""Scores of some targets or some spots at a time."""
