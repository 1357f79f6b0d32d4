"""Retrieval of a spot's image by its expression among all spots of the slide (the gallery), and back."""
