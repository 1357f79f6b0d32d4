"""Samples carry what a method may see, slide after slide."""

from pathlib import Path

import numpy as np
import pytest

from histobench.cache import Cache
from histobench.contracts.registry import Registry
from histobench.data import Kind, Slide, TrainingFacts
from histobench.data.held_out_counts import hide
from histobench.data.panels import fit_panel, genes_seen
from histobench.study.samples import Assembler
from histobench.study.tasks import task_module, training_samples
from histobench.testing import ToyDataset


def assembler_of(toy: ToyDataset, cache: Path, kind: Kind, slides: list[Slide]) -> Assembler:
    target = "cell_abundance" if kind == "cell_abundance" else "gene_expression"
    tables = [toy.table(slide, target) for slide in slides]
    panel = fit_panel(kind, tables, unit="x")
    return Assembler(
        registry=Registry(),
        dataset=toy,
        target=target,
        panel=panel,
        training=TrainingFacts.of(panel.read(tables[0])),
        cache=Cache(cache),
        genes=() if kind == "cell_abundance" else genes_seen(tables),
    )


def test_training_samples_name_the_patient_of_each_spot(toy: ToyDataset, tmp_path: Path) -> None:
    slides = list(toy.slides("cell_abundance")[:2])
    train = training_samples(assembler_of(toy, tmp_path, "cell_abundance", slides), [slide.id for slide in slides])
    assert train.patients is not None
    assert list(train.patients) == ["toy:1"] * 60 + ["toy:2"] * 60


def test_a_method_that_enhances_is_shown_a_part_of_the_counts_and_scored_on_the_other(
    toy: ToyDataset, tmp_path: Path
) -> None:
    slide = toy.slides("gene_expression")[-1]
    assembler = assembler_of(toy, tmp_path, "enhance", [slide])
    expected = hide(toy.table(slide, "gene_expression"), assembler.panel, assembler.genes)
    given = task_module("enhance").make_samples(assembler, slide)
    shown = given.shown()
    assert shown.counts is not None
    assert given.hidden is not None
    assert np.array_equal(shown.counts.values, expected.counts.values)
    assert np.array_equal(given.labelled.targets.values, expected.given.values)
    assert np.array_equal(given.observed.values, expected.held_out.values)
    assert np.array_equal(given.hidden.truth, expected.hidden.truth)
    assert np.array_equal(given.hidden.masked, expected.hidden.masked)


@pytest.mark.parametrize("kind", ["gene_expression", "retrieve"])
def test_other_tasks_hide_nothing(toy: ToyDataset, tmp_path: Path, kind: Kind) -> None:
    slide = toy.slides("gene_expression")[0]
    given = task_module(kind).make_samples(assembler_of(toy, tmp_path, kind, [slide]), slide)
    assert given.hidden is None
    assert np.array_equal(given.observed.values, given.labelled.targets.values)


def test_a_method_cannot_write_into_the_identity_of_the_spots(toy: ToyDataset, tmp_path: Path) -> None:
    slide = toy.slides("cell_abundance")[0]
    given = task_module("cell_abundance").make_samples(assembler_of(toy, tmp_path, "cell_abundance", [slide]), slide)
    shown = given.shown()
    shown.spot_ids[:] = "x"
    shown.xy_um[:] = 0
    assert "x" not in given.labelled.spot_ids
    assert given.labelled.xy_um.any()
