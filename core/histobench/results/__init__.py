"""Finished jobs: their records, scores, stored predictions, and the statistics over them."""
