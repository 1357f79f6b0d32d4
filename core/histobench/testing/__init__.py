"""The contract kit and the toy dataset, for this project's tests and for everybody else's."""

from histobench.testing.encoder import ToyEncoder
from histobench.testing.folds import ToyFold, toy_fold, unlabelled
from histobench.testing.toy import ToyDataset

__all__ = ["ToyDataset", "ToyEncoder", "ToyFold", "toy_fold", "unlabelled"]
