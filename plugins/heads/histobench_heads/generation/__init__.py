"""The controls of generation: real patches in place of drawn ones."""
