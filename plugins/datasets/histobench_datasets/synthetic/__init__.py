"""Generated tissue with a known truth."""
