"""Where on a slide a target is found, and how much one table reveals about the other."""
