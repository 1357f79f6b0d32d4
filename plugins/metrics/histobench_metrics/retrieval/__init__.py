"""Whether an image finds its expression, and expression its image."""
