"""From predictions to scores: every metric on every slide, and on all slides pooled."""

from histobench.evaluation.scoring import Evaluation, score

__all__ = ["Evaluation", "score"]
