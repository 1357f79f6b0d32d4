"""Classes of spots."""
