"""Whether a target is present, which target dominates a spot, and zeros."""
