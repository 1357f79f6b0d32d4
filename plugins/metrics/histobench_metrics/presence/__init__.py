"""Whether a target is there at all, and which is the most of a spot."""
