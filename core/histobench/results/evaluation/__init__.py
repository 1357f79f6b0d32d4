"""From predictions to scores: every metric on every slide, and on all slides pooled."""

from histobench.results.evaluation.scoring import Evaluation, score

__all__ = ["Evaluation", "score"]
