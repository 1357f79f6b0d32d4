"""Generated patches beside real ones: their quality, their variety, and whether they show what was asked for."""
