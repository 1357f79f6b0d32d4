"""Published checkpoints: converted and evaluated."""
