"""Samples carry what a method may see, slide after slide."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from histobench.cache import Cache
from histobench.data import SpotTable, TrainingFacts
from histobench.data.held_out_counts import Input, hide
from histobench.data.panels import fit_panel, genes_seen
from histobench.study import samples as assembly
from histobench.study.samples import Assembler
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


def test_molecules_of_a_test_slide_are_split_once(
    toy: ToyDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    *_, other, slide = toy.slides("gene_expression")
    table = toy.table(slide, "gene_expression")
    panel = fit_panel("enhance", [table], unit="x")
    genes = genes_seen([table])
    assembler = Assembler(
        dataset=toy,
        target="gene_expression",
        panel=panel,
        training=TrainingFacts.of(panel.read(table)),
        cache=Cache(tmp_path),
        genes=genes,
    )
    split: list[str] = []

    def counted(table: SpotTable, *rest: Any) -> Input:
        split.append(table.slide.id)
        return hide(table, *rest)

    monkeypatch.setattr(assembly, "hide", counted)
    assembler.unlabelled(other)
    samples, seen = assembler.unlabelled(slide)
    hidden = assembler.hidden(slide)
    assert split == [other.id, slide.id]
    expected = hide(table, panel, genes)
    assert samples.counts is not None
    assert hidden is not None
    assert np.array_equal(samples.counts.values, expected.counts.values)
    assert np.array_equal(seen.targets.values, expected.held_out.values)
    assert np.array_equal(hidden.truth, expected.hidden.truth)
    assert np.array_equal(hidden.masked, expected.hidden.masked)
    assert assembler.hidden(other) is not hidden
