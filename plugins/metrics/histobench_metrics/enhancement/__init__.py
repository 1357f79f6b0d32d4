"""Enhanced expression: what it predicts of held-out molecules, masked entries and known truth."""
