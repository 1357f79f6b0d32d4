"""The toy dataset is quick, keeps the contract itself, and holds a signal that position alone does not give."""

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.linear_model import Ridge

from histobench import DatasetCard, Kind, LabelledSamples, Slide, TargetFact
from histobench.data import Float
from histobench.errors import UnknownNameError
from histobench.testing import ToyDataset, check_dataset, toy_fold, unlabelled

KINDS: tuple[Kind, ...] = ("cell_abundance", "gene_expression", "label")


def _mean_pearson(predicted: Float, observed: Float) -> float:
    varies = observed.std(axis=0) > 0
    pairs = zip(predicted[:, varies].T, observed[:, varies].T, strict=True)
    return float(np.mean([np.corrcoef(one, other)[0, 1] for one, other in pairs]))


def _ridge(features: Float, train: LabelledSamples, asked: Float) -> Float:
    predicted: Float = Ridge(alpha=0.1).fit(features, train.targets.values).predict(asked)
    return predicted


def test_keeps_the_dataset_contract() -> None:
    facts = tuple(TargetFact(name=kind, kind=kind, title=kind, unit="toy") for kind in KINDS)
    card = DatasetCard(
        name="toy", title="toy", licence="CC0-1.0", build=lambda _root: ToyDataset(), targets=facts, has_oracle=True
    )
    check_dataset(card, slides=4)


def test_has_four_patients_with_sixty_spots_each(toy: ToyDataset) -> None:
    slides = toy.slides("label")
    assert len({slide.patient for slide in slides}) == 4
    assert [len(toy.table(slide, "label").spot_ids) for slide in slides] == [60] * 4


def test_another_seed_gives_another_dataset(toy: ToyDataset) -> None:
    slide = toy.slides("label")[0]
    other = ToyDataset(seed=1)
    assert toy.fingerprint(slide, "label") != other.fingerprint(slide, "label")
    assert not np.array_equal(toy.image(slide).read(), other.image(slide).read())


def test_unknown_slide_and_target_are_named(toy: ToyDataset) -> None:
    with pytest.raises(UnknownNameError, match="no toy slide named 'toy9'"):
        toy.table(Slide(id="toy9", patient="x"), "label")
    with pytest.raises(UnknownNameError, match="Did you mean 'label'"):
        toy.slides("labels")


@pytest.mark.parametrize("kind", KINDS)
def test_colour_predicts_another_patient_and_position_does_not(kind: Kind) -> None:
    fold = toy_fold(kind)
    train, test = fold.train, fold.test
    assert train.embeddings is not None
    assert test.embeddings is not None
    by_colour = _ridge(train.embeddings, train, test.embeddings)
    by_position = _ridge(train.xy_um / 1000, train, test.xy_um / 1000)
    seen = _mean_pearson(by_colour, test.targets.values)
    assert seen > 0.3
    assert seen > _mean_pearson(by_position, test.targets.values) + 0.2


def test_oracle_beats_colour() -> None:
    fold = toy_fold("cell_abundance")
    assert fold.test.oracle is not None
    assert fold.train.embeddings is not None
    assert fold.test.embeddings is not None
    by_colour = _ridge(fold.train.embeddings, fold.train, fold.test.embeddings)
    best = _mean_pearson(fold.test.oracle.values, fold.test.targets.values)
    assert best > _mean_pearson(by_colour, fold.test.targets.values)


def test_fold_holds_out_patients() -> None:
    fold = toy_fold()
    sides: list[npt.NDArray[np.str_]] = [np.unique(side.slide_ids) for side in (fold.train, fold.val, fold.test)]
    assert [list(side) for side in sides] == [["toy1", "toy2"], ["toy3"], ["toy4"]]


def test_genes_are_chosen_on_training_slides_alone(toy: ToyDataset) -> None:
    fold = toy_fold("gene_expression")
    oracle = fold.test.oracle
    assert oracle is not None
    assert oracle.names == fold.test.targets.names == fold.train.targets.names
    assert set(oracle.names) <= set(toy.table(toy.slides("label")[0], "gene_expression").counts.names)  # type: ignore[union-attr]


def test_unlabelled_samples_hold_no_truth() -> None:
    fold = toy_fold(beside=["gene_expression"])
    assert set(fold.test.beside) == {"gene_expression"}
    bare = unlabelled(fold.test)
    assert not isinstance(bare, LabelledSamples)
    assert bare.oracle is None
    assert bare.counts is None
    assert len(bare) == 60
