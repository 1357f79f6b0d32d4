"""The contract kit and the toy dataset, for the tests of this project and of plugins.

``check_plugin("my-distribution")`` checks in one call that an installed package keeps every promise; a
``ContractError`` names the first broken one. The kit does not need pytest; with pytest, use one test per card::

    import pytest
    from histobench.testing import check_metric, check_trial, trials
    from my_package.catalogue import METHODS, METRICS

    @pytest.mark.parametrize("card", METRICS, ids=lambda card: card.name)
    def test_metric(card):
        check_metric(card)

    @pytest.mark.parametrize("trial", [t for card in METHODS for t in trials(card)], ids=str)
    def test_method(trial):
        check_trial(trial)
"""

from histobench.errors import ContractError
from histobench.testing.datasets import check_dataset
from histobench.testing.encoder import ToyEncoder
from histobench.testing.encoders import check_encoder
from histobench.testing.folds import ToyFold, toy_fold, unlabelled
from histobench.testing.methods import check_method, check_trial, trials
from histobench.testing.metrics import check_metric
from histobench.testing.plugins import Checked, check_plugin
from histobench.testing.toy import ToyDataset
from histobench.testing.trial import Trial

__all__ = [
    "Checked",
    "ContractError",
    "ToyDataset",
    "ToyEncoder",
    "ToyFold",
    "Trial",
    "check_dataset",
    "check_encoder",
    "check_method",
    "check_metric",
    "check_plugin",
    "check_trial",
    "toy_fold",
    "trials",
    "unlabelled",
]
