"""What predicted maps look like beside the observed ones."""
