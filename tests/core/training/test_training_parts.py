"""The parts of the loop that methods use by themselves: streams of randomness, shuffles, losses, scores, weights."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from histobench.errors import DataError
from histobench.training import generator, load_weights, mean_pearson, root_mean_square, save_weights, seeded, shuffled

# randomness


def test_every_key_is_a_stream_of_its_own() -> None:
    draws = []
    for key in ((0,), (0, 0), (0, 1), (1,), (1, 0)):
        with seeded(*key):
            draws.append(torch.rand(1).item())
        draws.append(float(generator(*key).random()))
    assert len(set(draws)) == len(draws)


def test_a_shuffle_holds_every_row_once() -> None:
    rows = np.concatenate(list(shuffled(10, 4, seed=0, epoch=0, drop_last=False)))
    assert sorted(rows) == list(range(10))


def test_a_shuffle_is_decided_by_seed_and_epoch() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return list(np.concatenate(list(shuffled(30, 7, seed=seed, epoch=epoch, drop_last=False))))

    assert order(0, 0) == order(0, 0)
    assert order(0, 0) != order(0, 1)
    assert order(0, 0) != order(1, 0)


@pytest.mark.parametrize(("n", "sizes"), [(10, [4, 4]), (8, [4, 4]), (3, [3]), (4, [4])])
def test_only_an_incomplete_last_batch_is_dropped(n: int, sizes: list[int]) -> None:
    assert [len(rows) for rows in shuffled(n, 4, seed=0, epoch=0, drop_last=True)] == sizes


# losses and scores


def test_root_mean_square_has_one_root() -> None:
    predicted, observed = torch.tensor([[3.0, 0.0], [0.0, 0.0]]), torch.tensor([[0.0, 4.0], [0.0, 0.0]])
    assert root_mean_square(predicted, observed).item() == pytest.approx(2.5)


def test_mean_pearson_is_scipys() -> None:
    draw = np.random.default_rng(0)
    p, o = draw.normal(size=(20, 3)), draw.normal(size=(20, 3))
    expected = np.mean([stats.pearsonr(p[:, t], o[:, t]).statistic for t in range(3)])
    assert mean_pearson(torch.from_numpy(p), torch.from_numpy(o)) == pytest.approx(expected)


def test_mean_pearson_leaves_a_constant_target_out() -> None:
    p = torch.tensor([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]])
    o = torch.tensor([[1.0, 1.0], [2.0, 2.0], [3.0, 0.0]])
    assert mean_pearson(p, o) == pytest.approx(1.0)


def test_mean_pearson_of_constants_is_nan() -> None:
    assert math.isnan(mean_pearson(torch.ones(3, 2), torch.ones(3, 2)))


# weights


def test_weights_of_another_module_are_refused(tmp_path: Path) -> None:
    save_weights(nn.Linear(4, 2, bias=False), tmp_path / "w.safetensors")
    with pytest.raises(DataError, match=r"w\.safetensors: tensors missing: bias\.$"):
        load_weights(nn.Linear(4, 2), tmp_path / "w.safetensors")
