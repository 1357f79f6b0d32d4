"""Image and expression in one space by canonical correlation: linear maps in closed form."""
