"""The cards of the built-in datasets."""

import subprocess
import sys

import numpy as np
import pytest

from histobench_datasets import register_datasets
from histobench_datasets.her2st.dataset import TARGETS as HER2ST_TARGETS
from histobench_datasets.synthetic.dataset import TARGETS as SYNTHETIC_TARGETS
from histobench_datasets.visium.dataset import TARGETS as VISIUM_TARGETS

CARDS = {card.name: card for card in register_datasets()}


def test_the_built_in_datasets_are_registered():
    assert list(CARDS) == ["synthetic", "synthetic-1000", "synthetic-300", "her2st", "visium", "visium-hd"]


def test_listing_loads_nothing_heavy():
    heavy = ("torch", "pandas", "scipy", "sklearn", "skimage", "mlflow", "pooch", "requests", "PIL")
    code = f"import sys, histobench_datasets; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("name", "targets"),
    [
        ("her2st", HER2ST_TARGETS),
        ("synthetic", SYNTHETIC_TARGETS),
        ("visium", VISIUM_TARGETS),
        ("visium-hd", VISIUM_TARGETS),
    ],
)
def test_cards_name_the_datasets_targets(name, targets):
    assert tuple(fact.name for fact in CARDS[name].targets) == targets


def test_the_default_scheme_leaves_a_patient_out():
    assert {card.schemes[0].name for card in CARDS.values()} == {"leave-one-patient-out"}
    assert [scheme.name for scheme in CARDS["her2st"].schemes if scheme.leaks] == ["leave-one-slide-out"]


def test_synthetic_is_built_without_files():
    card = CARDS["synthetic"]
    slides = card.build(None).slides(card.targets[0].name)
    assert (len(slides), len({slide.patient for slide in slides})) == (card.n_slides, card.n_patients)


@pytest.mark.parametrize(("name", "molecules"), [("synthetic", 4000), ("synthetic-1000", 1000), ("synthetic-300", 300)])
def test_synthetic_tissue_is_as_deep_as_it_says(name, molecules):
    dataset = CARDS[name].build(None)
    tables = [dataset.table(slide, "gene_expression") for slide in dataset.slides("gene_expression")]
    assert np.mean([table.counts.values.sum(axis=1).mean() for table in tables]) == pytest.approx(molecules, rel=0.01)


def test_her2st_is_built_from_a_folder(release):
    assert CARDS["her2st"].build(release.root).slides("gene_expression")


def test_her2st_is_checked_and_fetched_through_its_card(release, monkeypatch):
    monkeypatch.setenv("HISTOBENCH_HER2ST_URL", "http://127.0.0.1:9")
    wrong = CARDS["her2st"].check(release.root)
    assert len(wrong) == 121
    with pytest.raises(ValueError, match="121 of 121 files of her2st could not be fetched"):
        CARDS["her2st"].download(release.root)
