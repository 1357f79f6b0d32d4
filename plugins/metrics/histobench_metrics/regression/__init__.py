"""How close predicted amounts are: correlations, errors, and the versions of the publications."""
