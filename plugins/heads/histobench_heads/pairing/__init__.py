"""Image and expression brought into one space by canonical correlations: what linear maps find without training."""
