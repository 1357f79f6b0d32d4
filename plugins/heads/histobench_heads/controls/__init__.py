"""Baselines that say what a score is worth: the mean, the position, the colour, and the truth itself."""
