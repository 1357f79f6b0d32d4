"""Samples carry what a method may see, slide after slide."""

from pathlib import Path

from histobench.assembly import Assembler
from histobench.cache import Cache
from histobench.data import TrainingFacts
from histobench.panels import fit_panel
from histobench.testing import ToyDataset


def test_training_samples_say_whose_each_spot_is(toy: ToyDataset, tmp_path: Path) -> None:
    slides = toy.slides("cell_abundance")[:2]
    tables = [toy.table(slide, "cell_abundance") for slide in slides]
    panel = fit_panel("cell_abundance", tables, unit="cells")
    assembler = Assembler(
        dataset=toy,
        target="cell_abundance",
        panel=panel,
        training=TrainingFacts.of(panel.read(tables[0])),
        cache=Cache(tmp_path),
    )
    train = assembler.labelled(slides)
    assert train.patients is not None
    assert list(train.patients) == ["toy:1"] * 60 + ["toy:2"] * 60
