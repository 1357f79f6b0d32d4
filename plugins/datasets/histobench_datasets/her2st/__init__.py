"""her2st (Andersson et al. 2021), read as its publisher ships it."""
