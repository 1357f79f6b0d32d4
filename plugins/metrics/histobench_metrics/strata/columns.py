"""Names of the thirds that targets are divided into."""

__all__ = ["LEVELS", "RARITY"]

LEVELS = ("low", "medium", "high")
"""Thirds of the targets by their mean over the training spots."""

RARITY = ("rare", "middling", "common")
"""Thirds of the targets by the share of training spots in which they are above zero."""
