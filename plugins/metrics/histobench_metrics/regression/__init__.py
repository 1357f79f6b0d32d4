"""How close amounts come: correlations, errors, and what the publications made of them."""
