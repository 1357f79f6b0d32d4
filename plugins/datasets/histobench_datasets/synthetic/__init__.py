"""Generated tissue whose truth is known."""
