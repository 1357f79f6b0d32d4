"""HE2Gene as a method: its heads, its terms, whose neighbours count, which patches are looked at, and how often."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from histobench import ConfigError, DataError, FitContext, LabelledSamples, Targets
from histobench.testing import ToyEncoder, ToyFold, toy_fold, unlabelled
from histobench.training import mean_pearson
from histobench_heads.frames.neighbourhoods import lattice_links
from histobench_heads.he2gene.batches import BLACK, alike_links, alone, with_neighbours
from histobench_heads.he2gene.catalogue import HE2GENE_BASE, HE2GENE_SPAT
from histobench_heads.he2gene.labels import LabelPlan
from histobench_heads.he2gene.loading import Loader
from histobench_heads.he2gene.losses import Batch, he2gene_losses, spatial_loss
from histobench_heads.he2gene.method import He2Gene, He2GeneSpat
from histobench_heads.he2gene.network import He2GeneOutput
from histobench_heads.he2gene.options import He2GeneOptions, He2GeneSpatOptions
from histobench_heads.he2gene.windows import views

FAST: dict[str, Any] = {"epochs": 3, "batch": 16, "lr": 3e-3, "patch_px": 32, "start_at_mean": True}


@pytest.fixture(scope="module")
def fold() -> ToyFold:
    """The toy's genes: eight are targets, the rest are the other genes."""
    whole = toy_fold("gene_expression", beside=("label",))
    return ToyFold(train=_split(whole.train), val=_split(whole.val), test=_split(whole.test))


def _split(samples: LabelledSamples) -> LabelledSamples:
    genes = samples.targets
    few = replace(genes, names=genes.names[:8], values=genes.values[:, :8])
    others = replace(genes, names=genes.names[8:], values=genes.values[:, 8:])
    return replace(samples, targets=few, beside={**samples.beside, "other_genes": others})


def _context(seed: int = 0) -> FitContext:
    return FitContext(seed=seed, mode="full", encoder=ToyEncoder())


def _base(fold: ToyFold, **options: Any) -> He2Gene:
    method = He2Gene(He2GeneOptions(**{**FAST, **options}))
    method.fit(fold.train, fold.val, _context())
    return method


def _spat(fold: ToyFold, **options: Any) -> He2GeneSpat:
    method = He2GeneSpat(He2GeneSpatOptions(**{**FAST, **options}))
    method.fit(fold.train, fold.val, _context())
    return method


# learning


@pytest.mark.parametrize("make", [_base, _spat], ids=["base", "spat"])
def test_it_learns_genes_and_other_genes(make: Any, fold: ToyFold) -> None:
    predicted = make(fold, epochs=8).predict(unlabelled(fold.test))
    others = predicted.beside["other_genes"]
    for output, seen in ((predicted, fold.test.targets), (others, fold.test.beside["other_genes"])):
        assert output.names == seen.names
        assert mean_pearson(torch.from_numpy(output.values), torch.from_numpy(seen.values)) > 0.15


def test_the_tumour_head_learns_tumour(fold: ToyFold) -> None:
    sharp = {"epochs": 30, "lr": 1e-2, "weight_label": 5.0, "augment": False, "average": "single"}
    method = He2Gene(He2GeneOptions(**{**FAST, **sharp}))
    method.fit(fold.train, None, _context())
    label, observed = method.predict(unlabelled(fold.train)).beside["label"], fold.train.beside["label"]
    assert label.names == observed.names
    column = observed.names.index("tumour")
    is_tumour = observed.values[:, column] > 0
    assert label.values[is_tumour, column].mean() > label.values[~is_tumour, column].mean() + 0.1


def test_the_tumour_head_shares_its_probability_among_classes() -> None:
    plan = LabelPlan(
        classes=("in situ", "fat", "invasive", "gland", "immune"), tumour=("in situ", "invasive"), head="tumour"
    )
    spread = plan.spread(np.array([[0.8], [0.1]], dtype=np.float32))
    np.testing.assert_allclose(spread[0], [0.4, 0.2 / 3, 0.4, 0.2 / 3, 0.2 / 3], rtol=1e-5)
    np.testing.assert_allclose(spread.sum(axis=1), 1, rtol=1e-6)


def test_the_class_head_says_all_classes(fold: ToyFold) -> None:
    label = _base(fold, label_head="classes", epochs=8).predict(unlabelled(fold.test)).beside["label"]
    observed = fold.test.beside["label"].values
    np.testing.assert_allclose(label.values.sum(axis=1), 1, rtol=1e-5)
    assert (label.values.argmax(axis=1) == observed.argmax(axis=1)).mean() > 0.6


@pytest.mark.parametrize("tumour", [(), ("tumour", "stroma", "immune")], ids=["none", "all"])
def test_without_tumour_and_something_else_there_is_no_tumour_head(tumour: tuple[str, ...], fold: ToyFold) -> None:
    assert set(_base(fold, tumour=tumour, epochs=1).predict(unlabelled(fold.test)).beside) == {"other_genes"}


def test_genes_alone_can_be_learned_from(fold: ToyFold) -> None:
    bare = replace(fold, train=replace(fold.train, beside={}), val=replace(fold.val, beside={}))
    assert _base(bare).predict(unlabelled(fold.test)).beside == {}


def test_spat_needs_labels(fold: ToyFold) -> None:
    bare = replace(fold, train=replace(fold.train, beside={}))
    with pytest.raises(DataError, match=r"he2gene-spat pulls spots to neighbours with the same label.*he2gene-base"):
        _spat(bare)


@pytest.mark.parametrize("make", [_base, _spat], ids=["base", "spat"])
def test_it_predicts_the_same_when_read_back(make: Any, fold: ToyFold, tmp_path: Path) -> None:
    method = make(fold, epochs=1)
    method.save(tmp_path)
    other = type(method)(method.options)
    other.load(tmp_path, _context(seed=9))
    one, same = (it.predict(unlabelled(fold.test)) for it in (method, other))
    assert np.array_equal(one.values, same.values)
    assert all(np.array_equal(one.beside[name].values, same.beside[name].values) for name in ("other_genes", "label"))


def test_the_epoch_of_least_validation_error_is_kept(fold: ToyFold) -> None:
    method = _base(fold, epochs=5, average="single", lr=1e-2)
    assert method.fitted is not None
    kept = method.predict(unlabelled(fold.val)).values
    error = ((kept - fold.val.targets.values) ** 2).mean()
    assert -method.fitted.best_score == pytest.approx(error, rel=1e-4)
    assert -method.fitted.best_score == min(-numbers["val_score"] for numbers in method.fitted.history)


def test_it_stops_when_patience_ends(fold: ToyFold) -> None:
    method = _base(fold, epochs=40, patience=2, lr=0.3)
    assert method.fitted is not None
    assert len(method.fitted.history) == method.fitted.best_epoch + 3 < 40


# terms


def _batch(labelled: list[bool]) -> tuple[He2GeneOutput, Batch]:
    draws = torch.Generator().manual_seed(0)
    output = He2GeneOutput(*(torch.randn(4, k, generator=draws) for k in (3, 5, 1)))
    batch = Batch(
        patches=torch.zeros(4, 2, 2, 3),
        targets=torch.randn(4, 3, generator=draws),
        others=torch.randn(4, 5, generator=draws),
        label=torch.tensor([[1.0], [0.0], [1.0], [0.0]]),
        labelled=torch.tensor(labelled),
        edges=torch.tensor([[1, 0], [0, 1]]),
    )
    return output, batch


@pytest.mark.parametrize(
    ("options", "weights"),
    [(He2GeneOptions(), (20, 1, 0)), (He2GeneSpatOptions(), (100, 1, 0.01))],
    ids=["base", "spat"],
)
def test_the_loss_is_the_published_sum(options: He2GeneOptions, weights: tuple[float, float, float]) -> None:
    output, batch = _batch([True] * 4)
    losses = he2gene_losses(output, batch, options=options)
    mse, bce = nn.functional.mse_loss, nn.functional.binary_cross_entropy
    expected = mse(output.targets, batch.targets) + weights[0] * mse(output.others, batch.others)
    expected = expected + weights[1] * bce(output.label.sigmoid(), batch.label)
    expected = expected + weights[2] * mse(output.targets[:2], output.targets[[1, 0]])
    torch.testing.assert_close(losses["loss"], expected)


def test_a_spot_without_a_label_has_no_part_in_the_labels_loss() -> None:
    output, batch = _batch([True, False, False, True])
    got = he2gene_losses(output, batch, options=He2GeneOptions())["label"]
    rows = [0, 3]
    torch.testing.assert_close(
        got, nn.functional.binary_cross_entropy_with_logits(output.label[rows], batch.label[rows])
    )
    assert he2gene_losses(output, _batch([False] * 4)[1], options=He2GeneOptions())["label"] == 0


def test_neighbours_and_spot_are_both_drawn() -> None:
    predicted = torch.tensor([[1.0], [5.0]], requires_grad=True)
    spatial_loss(predicted, torch.tensor([[1], [0]]), n_seeds=1).backward()
    assert predicted.grad is not None
    assert predicted.grad.flatten().tolist() == [-8.0, 8.0]


def test_without_any_neighbour_there_is_no_spatial_loss() -> None:
    predicted = torch.ones(3, 2, requires_grad=True)
    loss = spatial_loss(predicted, torch.zeros(2, 0, dtype=torch.int64), n_seeds=3)
    loss.backward()
    assert loss == 0


# whose neighbours


def _groups(samples: LabelledSamples) -> np.ndarray:
    return samples.beside["label"].values.argmax(axis=1)


def test_links_join_neighbours_of_one_label_only(fold: ToyFold) -> None:
    groups = _groups(fold.train).copy()
    groups[::7] = -1
    links = lattice_links(fold.train)
    alike = alike_links(links, groups).tocoo()
    assert 0 < alike.nnz < links.nnz
    assert (groups[alike.row] == groups[alike.col]).all()
    assert (groups[alike.row] >= 0).all()
    assert (links[alike.row, alike.col] == 1).all()


@pytest.mark.parametrize("contiguous", [True, False])
@pytest.mark.parametrize("missing", ["drop", "black"])
def test_every_spot_is_a_seed_once_with_all_its_alike_neighbours(contiguous: bool, missing: str, fold: ToyFold) -> None:
    groups = _groups(fold.train)
    options = He2GeneSpatOptions(batch=16, contiguous=contiguous, missing=missing)  # type: ignore[arg-type]
    degree = np.asarray(alike_links(lattice_links(fold.train), groups).sum(axis=1)).ravel()
    seeds = []
    for part in with_neighbours(fold.train, groups, options, 0)(0):
        mine = part.nodes[: part.n_seeds]
        seeds += mine.tolist()
        source, target = part.edges[:, part.edges[1] < part.n_seeds]
        assert np.array_equal(np.bincount(target, minlength=part.n_seeds), degree[mine])
        assert (groups[part.nodes[source]] == groups[part.nodes[target]]).all()
        if missing == "black":
            assert len(part.nodes) == 9 * part.n_seeds
        else:
            assert len(np.unique(part.nodes)) == len(part.nodes) <= 9 * part.n_seeds
    assert sorted(seeds) == list(range(len(fold.train)))


def test_seeds_side_by_side_need_fewer_patches_than_random_ones(fold: ToyFold) -> None:
    def patches(**options: Any) -> int:
        made = with_neighbours(fold.train, _groups(fold.train), He2GeneSpatOptions(batch=16, **options), 0)
        return sum(len(part.nodes) for part in made(0))

    assert patches() < patches(contiguous=False) < patches(missing="black")
    assert patches() < 2.5 * len(fold.train)


def test_black_patches_and_alike_ones_give_one_spatial_loss(fold: ToyFold) -> None:
    """Seen or not, what does not exist or is not alike does not count."""
    groups = _groups(fold.train)
    values = torch.from_numpy(np.random.default_rng(0).normal(size=(len(fold.train), 3)))
    totals = []
    for missing in ("drop", "black"):
        options = He2GeneSpatOptions(batch=1000, contiguous=False, missing=missing)  # type: ignore[arg-type]
        (part,) = with_neighbours(fold.train, groups, options, 0)(0)
        output = values[torch.from_numpy(part.nodes)]
        totals.append(spatial_loss(output, torch.from_numpy(part.edges), n_seeds=part.n_seeds).item())
    assert totals[0] == pytest.approx(totals[1])


def test_a_neighbour_that_does_not_exist_is_black(fold: ToyFold) -> None:
    plan = LabelPlan(classes=("tumour", "stroma", "immune"), tumour=("tumour",), head="tumour")
    annotation = plan.annotate(fold.train.beside["label"], len(fold.train))
    options = He2GeneSpatOptions(batch=16, missing="black")
    part = next(with_neighbours(fold.train, annotation.groups, options, 0)(0))
    assert fold.train.patches is not None
    patches = Loader(fold.train.patches, fold.train, annotation, 32)(part).patches
    assert not patches[torch.from_numpy(part.nodes == BLACK)].any()
    assert patches[torch.from_numpy(part.nodes != BLACK)].flatten(1).any(dim=1).all()


def test_a_last_spot_alone_is_left_out_by_base() -> None:
    assert [len(part.nodes) for part in alone(21, 10, 0)(0)] == [10, 10]


def test_spots_without_a_label_are_in_no_group() -> None:
    label = Targets(kind="label", names=("tumour", "fat"), values=np.array([[1, 0], [0, 0], [0, 1]], dtype=np.float32))
    annotation = LabelPlan(classes=label.names, tumour=("tumour",), head="tumour").annotate(label, 3)
    assert annotation.groups.tolist() == [1, -1, 0]
    assert annotation.labelled.tolist() == [True, False, True]
    assert annotation.values.tolist() == [[1], [0], [0]]


# views of a test patch


def _mean_grey(view: Tensor) -> float:
    return float(view.float().mean())


@pytest.mark.parametrize(("average", "n"), [("single", 1), ("grid", 3), ("tta", 8), ("grid_tta", 24)])
def test_every_average_has_its_number_of_views(average: Any, n: int) -> None:
    side = 48 if average.startswith("grid") else 32
    seen = list(views(torch.randint(0, 256, (2, side, side, 3), dtype=torch.uint8), average, 32))
    assert len(seen) == n
    assert {tuple(view.shape) for view in seen} == {(2, 32, 32, 3)}


def test_the_windows_are_the_middle_the_inner_half_and_all_of_it() -> None:
    patch = torch.zeros(1, 48, 48, 3, dtype=torch.uint8)
    patch[:, 8:40, 8:40] = 100
    patch[:, 16:32, 16:32] = 200
    main, small, big = views(patch, "grid", 32)
    assert _mean_grey(main) == pytest.approx((100 * 768 + 200 * 256) / 1024)
    assert _mean_grey(small) == 200
    assert _mean_grey(big) == pytest.approx((100 * 768 + 200 * 256) / 2304, rel=0.02)


def test_averages_are_means_of_predictions_over_views(fold: ToyFold) -> None:
    wide = toy_fold("gene_expression", patch_px=48)
    method = _base(fold, epochs=1)
    assert wide.test.patches is not None
    network = method._made()[1]
    with torch.no_grad():
        each = [network(view).targets for view in views(torch.as_tensor(wide.test.patches), "grid_tta", 32)]
    method.options = replace(method.options, average="grid_tta")
    samples = replace(unlabelled(fold.test), patches=wide.test.patches)
    np.testing.assert_allclose(method.predict(samples).values, torch.stack(each).mean(dim=0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("average", "side"), [("tta", 224), ("grid", 336)])
def test_the_patch_is_the_published_window_in_microns(average: Any, side: int) -> None:
    for card in (HE2GENE_BASE, HE2GENE_SPAT):
        assert card.patch is not None
        geometry = card.patch(card.options(average=average))
        assert geometry.patch_px == side
        assert geometry.mpp is not None
        assert geometry.mpp * 224 == pytest.approx(150 * 0.673)


# refusals


@pytest.mark.parametrize(
    ("option", "value", "rule"),
    [
        ("batch", 1, "be at least 2"),
        ("patience", 0, "be at least 1"),
        ("clip", 0.0, "be positive"),
        ("weight_other", -1.0, "not be negative"),
    ],
)
def test_values_that_cannot_be_trained_with_are_refused(option: str, value: float, rule: str) -> None:
    with pytest.raises(ConfigError, match=f"{option} must {rule}, got {value}"):
        He2GeneSpatOptions(**{option: value})  # type: ignore[arg-type]


def test_it_cannot_predict_before_it_learned(fold: ToyFold) -> None:
    with pytest.raises(ConfigError, match="this method has learned nothing yet"):
        He2Gene(He2GeneOptions()).predict(unlabelled(fold.test))


def test_samples_without_patches_are_refused(fold: ToyFold) -> None:
    with pytest.raises(DataError, match="he2gene needs patches, and these samples have none"):
        He2Gene(He2GeneOptions()).fit(replace(fold.train, patches=None), None, _context())
