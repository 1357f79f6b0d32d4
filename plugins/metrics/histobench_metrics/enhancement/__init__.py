"""Enhanced expression against the molecules that were kept from the method."""
