"""Baselines that give a score its scale: the mean, the position, the colour, and the truth itself."""
