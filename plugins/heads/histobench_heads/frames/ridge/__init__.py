"""Ridge regression: one decomposition for all penalties, and the choice of the penalty."""
