"""Settings: from everywhere, in order of rank, checked."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from histobench.contracts.cards import MethodCard
from histobench.contracts.options import options_from_json, options_to_json
from histobench.data import Kind
from histobench.errors import ConfigError
from histobench.study.config import RunConfig, method_options


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    epochs: int = 100
    lr: float = 1e-3
    sizes: tuple[int, ...] = (512, 512)
    faithful: bool = False


CARD = MethodCard(
    name="method",
    title="a method",
    options=Options,
    targets=("cell_abundance",),
    build=lambda options: options,
    dataset_options={"her2st": {"lr": 2e-3}},
    kind_options={"label": {"lr": 3e-3}},
    presets={"quick": {"epochs": 2}},
)


def settled(dataset: str = "her2st", kind: Kind = "cell_abundance", **settings: object) -> Options:
    options = method_options(CARD, RunConfig.model_validate(settings), dataset=dataset, kind=kind, mode=None)
    assert isinstance(options, Options)
    return options


@pytest.mark.parametrize(
    ("dataset", "kind", "lr"),
    [
        ("other", "cell_abundance", 1e-3),
        ("her2st", "cell_abundance", 2e-3),
        ("other", "label", 3e-3),
        ("her2st", "label", 2e-3),
    ],
)
def test_published_options_follow_kind_and_dataset(dataset: str, kind: Kind, lr: float) -> None:
    assert settled(dataset, kind).lr == lr


def test_later_settings_win() -> None:
    assert settled(preset="quick").epochs == 2
    assert settled(preset="quick", epochs=3).epochs == 3
    assert settled(preset="quick", epochs=3, set={"method.epochs": 4}).epochs == 4


def test_settings_of_other_methods_are_left_to_them() -> None:
    assert settled(set={"other.lr": 9.0}).lr == 2e-3


def test_values_are_coerced_to_the_declared_type() -> None:
    options = settled(set={"method.lr": "1e-5", "method.sizes": [3, 4], "method.faithful": "true"})
    assert (options.lr, options.sizes, options.faithful) == (1e-5, (3, 4), True)


def test_unknown_option_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError, match=r"no option of 'method' named 'epoch'. Did you mean 'epochs'\?"):
        settled(set={"method.epoch": 1})


def test_options_survive_json() -> None:
    options = Options(sizes=(1, 2), faithful=True)
    assert options_from_json(CARD, options_to_json(CARD, options)) == options


def test_command_line_overrides_the_file(tmp_path: Path) -> None:
    study = tmp_path / "study.yaml"
    study.write_text("methods: a, b\nseeds: [1, 2]\nset: {method.lr: 1, method.epochs: 5}\n")
    config = RunConfig.read(study, {"seeds": "7", "set": {"method.lr": 2}, "folds": None})
    assert config.methods == ("a", "b")
    assert config.seeds == (7,)
    assert config.settings == {"method.lr": 2, "method.epochs": 5}


def test_fold_names_that_yaml_reads_as_numbers_stay_names() -> None:
    assert RunConfig.model_validate({"folds": [0, 1]}).folds == ("0", "1")
