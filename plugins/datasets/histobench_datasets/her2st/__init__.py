"""her2st (Andersson et al. 2021), read from the published files."""
