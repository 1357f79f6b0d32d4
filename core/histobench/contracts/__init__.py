"""What a plugin promises: protocols, cards, options, hooks, and the registry that finds them."""
