"""The controls of generation: real patches instead of generated ones."""
