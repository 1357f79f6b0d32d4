"""What the whole-slide methods have in common: slides are steps, they resume, save, select, and refuse odd input."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from histobench import ConfigError, DataError, FitContext, Int, LabelledSamples, PatchGeometry, Targets
from histobench.testing import ToyFold, toy_fold, unlabelled
from histobench.training import checkpoints, mean_pearson
from histobench_heads.frames.slidewise.memory import in_chunks, recomputed
from histobench_heads.frames.slidewise.options import GraphOptions, SlideOptions, slide_patch
from histobench_heads.frames.slidewise.slides import SlideBatch, neighbour_edges, scaled, table_positions
from histobench_heads.histogene.method import HisToGene
from histobench_heads.histogene.options import HisToGeneOptions

NARROW: dict[str, Any] = {"patch_px": 32, "dim": 32, "depth": 1, "heads": 1, "hidden": 32, "lr": 1e-3}


class KilledError(Exception):
    """Stands for a kill."""


@pytest.fixture(scope="module")
def fold() -> ToyFold:
    return toy_fold()


def _method(**options: Any) -> HisToGene:
    return HisToGene(HisToGeneOptions(**{**NARROW, "epochs": 2, **options}))


def _fitted(fold: ToyFold, context: FitContext, **options: Any) -> HisToGene:
    method = _method(**options)
    method.fit(fold.train, None, context)
    return method


# steps, selection, prediction


def test_each_slide_is_one_step_and_their_order_changes(fold: ToyFold) -> None:
    seen: list[str] = []
    by_values = {fold.train.targets.values[rows].tobytes(): slide for slide, rows in fold.train.by_slide()}

    class Watching(HisToGene):
        def losses(self, module: nn.Module, batch: SlideBatch) -> Mapping[str, Tensor]:
            seen.append(by_values[batch.targets.numpy().tobytes()])
            return super().losses(module, batch)

    Watching(HisToGeneOptions(**{**NARROW, "epochs": 6})).fit(fold.train, None, FitContext(seed=0))
    epochs = [tuple(seen[i : i + 2]) for i in range(0, 12, 2)]
    assert {frozenset(epoch) for epoch in epochs} == {frozenset(by_values.values())}
    assert len(set(epochs)) == 2


def test_the_epoch_is_scored_by_mean_pearson_over_validation_spots(fold: ToyFold) -> None:
    method = _method(epochs=3)
    method.fit(fold.train, fold.val, FitContext(seed=0))
    assert method.fitted is not None
    predicted = torch.from_numpy(method.predict(unlabelled(fold.val)).values)
    expected = mean_pearson(predicted, torch.from_numpy(fold.val.targets.values))
    assert method.fitted.best_score == pytest.approx(expected, rel=1e-6)


def test_a_slide_is_predicted_alike_beside_any_other(fold: ToyFold) -> None:
    method = _fitted(fold, FitContext(seed=0))
    both = unlabelled(fold.train)
    mixed = np.random.default_rng(0).permutation(len(both))
    together = method.predict(both.take(mixed)).values
    for _, rows in both.by_slide():
        alone = method.predict(both.take(rows)).values
        np.testing.assert_allclose(together[np.argsort(mixed)][rows], alone, rtol=1e-4, atol=1e-5)


# resume, save, load


def test_a_killed_fit_ends_with_the_same_bits(fold: ToyFold, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "CHECKPOINT_SECONDS", 0.0)

    def kill(epoch: int, _numbers: Mapping[str, float]) -> None:
        if epoch == 2:
            raise KilledError

    expected = _fitted(fold, FitContext(seed=0), epochs=4)
    with pytest.raises(KilledError):
        _fitted(fold, FitContext(seed=0, resume=tmp_path, report=kill), epochs=4)
    resumed = _fitted(fold, FitContext(seed=0, resume=tmp_path), epochs=4)
    test = unlabelled(fold.test)
    assert np.array_equal(resumed.predict(test).values, expected.predict(test).values)


def test_what_is_saved_predicts_the_same_again(fold: ToyFold, tmp_path: Path) -> None:
    method = _fitted(fold, FitContext(seed=7))
    method.save(tmp_path)
    loaded = _method()
    loaded.load(tmp_path, FitContext(seed=99))
    test = unlabelled(fold.test)
    assert loaded.predict(test).names == fold.train.targets.names
    assert np.array_equal(loaded.predict(test).values, method.predict(test).values)
    assert {path.name for path in tmp_path.iterdir()} == {"method.json", "weights.safetensors"}


def test_a_method_that_learned_nothing_says_so(fold: ToyFold, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="this method has learned nothing yet; fit or load it first"):
        _method().predict(unlabelled(fold.test))
    with pytest.raises(ConfigError, match="this method has learned nothing yet; fit or load it first"):
        _method().save(tmp_path)


# less memory, the same numbers


def test_recomputing_and_chunks_change_no_prediction(fold: ToyFold) -> None:
    """With dropout: what is computed again draws the same masks."""
    plain = _fitted(fold, FitContext(seed=0), epochs=3)
    frugal = _fitted(fold, FitContext(seed=0), epochs=3, recompute_above=10, chunk_spots=16)
    test = unlabelled(fold.test)
    np.testing.assert_allclose(frugal.predict(test).values, plain.predict(test).values, rtol=1e-4, atol=1e-5)


def _stage() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2))


def _gradients_and_buffers(stage: nn.Module, *, again: bool) -> tuple[list[Tensor], list[Tensor]]:
    rows = torch.randn(20, 4, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(2)
    out = recomputed(stage, rows) if again else stage(rows)
    out.square().sum().backward()
    gradients = [p.grad for p in stage.parameters() if p.grad is not None]
    return gradients, list(stage.buffers())


def test_a_recomputed_stage_has_the_same_gradients_and_counts_its_spots_once() -> None:
    plain = _gradients_and_buffers(_stage(), again=False)
    again = _gradients_and_buffers(_stage(), again=True)
    torch.testing.assert_close(again, plain, rtol=0, atol=0)
    assert plain[1][2] == 1  # batches that the normalisation has counted


def test_a_recomputed_stage_keeps_only_what_went_in() -> None:
    stage = nn.Sequential(*(nn.Sequential(nn.Linear(64, 64), nn.GELU()) for _ in range(4)))
    rows = torch.randn(100, 64, requires_grad=True)

    def kept(*, again: bool) -> int:
        sizes: list[int] = []
        parameters = {p.data_ptr() for p in stage.parameters()}

        def pack(tensor: Tensor) -> Tensor:
            sizes.append(0 if tensor.data_ptr() in parameters else tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            _ = recomputed(stage, rows) if again else stage(rows)
        return sum(sizes)

    assert kept(again=False) >= 8 * rows.numel()
    assert kept(again=True) <= rows.numel()


def test_chunks_cover_every_spot_in_order() -> None:
    linear = nn.Linear(3, 2)
    rows = torch.randn(11, 3)
    torch.testing.assert_close(in_chunks(linear, rows, spots=4), linear(rows))


# pixels and places


@pytest.mark.parametrize(("inputs", "field_px"), [("adapted", 224), ("original", 112)])
def test_the_field_of_view_follows_whose_inputs_are_fed(inputs: Any, field_px: int) -> None:
    assert slide_patch(SlideOptions(inputs=inputs)) == PatchGeometry(patch_px=112, field_px=field_px)


def test_original_pixels_stay_as_they_are_and_adapted_ones_are_normalised() -> None:
    patches = torch.randint(0, 256, (2, 4, 5, 3), dtype=torch.uint8)
    assert torch.equal(scaled(patches, "original"), patches.permute(0, 3, 1, 2).float())
    red = (patches[..., 0] / 255 - 0.485) / 0.229
    torch.testing.assert_close(scaled(patches, "adapted")[:, 0], red)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        ([[3, 4], [9, 5]], [[3, 4], [9, 5]]),
        ([[-2, 4], [5, 5]], [[0, 4], [7, 5]]),
        ([[30, 4], [25, 5]], [[5, 4], [0, 5]]),
    ],
)
def test_places_are_moved_only_where_they_do_not_fit(array: list[list[int]], expected: list[list[int]]) -> None:
    assert table_positions(np.array(array), 10, slide="s").tolist() == expected


def test_a_slide_wider_than_the_tables_is_refused(fold: ToyFold) -> None:
    wanted = "slide 'toy[12]' spans 10 lattice positions and the position tables hold 9: set the option 'n_pos'"
    with pytest.raises(DataError, match=wanted):
        _method(n_pos=9).fit(fold.train, None, FitContext(seed=0))


# neighbours

CROSS = np.array([[5, 5], [5, 6], [6, 5], [5, 4], [1, 5]])
"""A spot, three adjacent to it, and one four steps away."""


def _targets_of(edges: Int, spot: int) -> list[int]:
    return edges[0, edges[1] == spot].tolist()


@pytest.mark.parametrize(
    ("prune", "of_middle", "of_far"), [("none", [1, 2, 3, 4], [0, 1, 3, 2]), ("grid", [1, 2, 3], []),
                                       ("std", [1, 2, 3], [0, 1, 3])]
)  # fmt: skip
def test_pruning_drops_what_is_far(prune: Any, of_middle: list[int], of_far: list[int]) -> None:
    edges = neighbour_edges(CROSS, GraphOptions(prune=prune))
    assert (_targets_of(edges, 0), _targets_of(edges, 4)) == (of_middle, of_far)


@pytest.mark.parametrize("prune", ["none", "grid", "std"])
def test_a_lonely_spot_has_no_neighbours(prune: Any) -> None:
    assert neighbour_edges(np.array([[3, 3]]), GraphOptions(prune=prune)).shape == (2, 0)


# refusals


def test_samples_without_patches_are_refused(fold: ToyFold) -> None:
    blind: LabelledSamples = replace(fold.train, patches=None)
    with pytest.raises(DataError, match="this method needs patches, and these samples have none"):
        _method().fit(blind, None, FitContext(seed=0))


def test_patches_of_another_side_are_refused(fold: ToyFold) -> None:
    wanted = r"patches must be 40 x 40 pixels in RGB, as set by the option 'patch_px', got \(32, 32, 3\)"
    with pytest.raises(DataError, match=wanted):
        _method(patch_px=40).fit(fold.train, None, FitContext(seed=0))


def test_a_training_slide_of_one_spot_is_refused(fold: ToyFold) -> None:
    rows = np.arange(61)  # all of the first slide, one spot of the second
    with pytest.raises(DataError, match="slide 'toy2' has a single spot; a training slide needs 2: leave it out"):
        _method().fit(fold.train.take(rows), None, FitContext(seed=0))


def test_constant_targets_are_fitted_and_the_last_epoch_kept(fold: ToyFold) -> None:
    flat = Targets(kind="cell_abundance", names=("a",), values=np.ones((60, 1), dtype=np.float32))
    method = _method(epochs=2)
    train = replace(fold.train, targets=replace(flat, values=np.ones((120, 1), dtype=np.float32)))
    method.fit(train, replace(fold.val, targets=flat), FitContext(seed=0))
    assert method.fitted is not None
    assert method.fitted.best_epoch == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"n_pos": 0}, "n_pos must be at least 1, got 0"),
        ({"lr": 0.0}, r"lr must be positive, got 0\.0"),
        ({"weight_decay": -1.0}, r"weight_decay must not be negative, got -1\.0"),
        ({"dropout": 1.0}, r"dropout must be at least 0 and less than 1, got 1\.0"),
        ({"neighbours": 0}, "neighbours must be at least 1, got 0"),
    ],
)
def test_numbers_that_no_training_can_use_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        GraphOptions(**wrong)
