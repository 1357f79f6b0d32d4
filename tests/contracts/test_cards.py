"""Every installed card keeps its contract: a new plugin is tested by existing."""

from pathlib import Path

import pytest

from histobench import DatasetCard, EncoderCard, MetricCard, WeightsError
from histobench.contracts.registry import Registry
from histobench.testing import Trial, check_dataset, check_encoder, check_metric, check_trial, trials

REGISTRY = Registry.load()


def test_every_installed_plugin_loads() -> None:
    assert REGISTRY.broken == []


@pytest.mark.parametrize("card", list(REGISTRY.encoders), ids=lambda card: card.name)
def test_encoder(card: EncoderCard) -> None:
    try:
        check_encoder(card)
    except WeightsError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("trial", [trial for card in REGISTRY.methods for trial in trials(card)], ids=str)
def test_method(trial: Trial) -> None:
    check_trial(trial)


@pytest.mark.parametrize("card", list(REGISTRY.datasets), ids=lambda card: card.name)
def test_dataset(card: DatasetCard, data_folder: Path) -> None:
    root = None if card.generated else data_folder / card.name
    if root is not None and not root.is_dir():
        pytest.skip(f"no real data: {root} is not there")
    check_dataset(card, root=root)


@pytest.mark.parametrize("card", list(REGISTRY.metrics), ids=lambda card: card.name)
def test_metric(card: MetricCard) -> None:
    check_metric(card)
