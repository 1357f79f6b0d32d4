"""LinearProbing and MLP: their losses, and what their options change."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from histobench import FitContext
from histobench.testing import toy_fold, unlabelled
from histobench_heads.foundation.losses import LOSSES, one_minus_pearson
from histobench_heads.foundation.method import LinearProbing, Mlp
from histobench_heads.foundation.options import LinearOptions, MlpOptions


def _draw(seed: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(20, 3)))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mse", lambda p, o: ((p - o) ** 2).mean()),
        ("rmse", lambda p, o: np.sqrt(((p - o) ** 2).mean())),
        ("l1", lambda p, o: np.abs(p - o).mean()),
        ("pearson", lambda p, o: np.mean([1 - stats.pearsonr(p[:, t], o[:, t]).statistic for t in range(3)])),
    ],
)
def test_losses_are_what_their_names_say(name: str, expected: object) -> None:
    p, o = _draw(0), _draw(1)
    assert LOSSES[name](p, o).item() == pytest.approx(expected(p.numpy(), o.numpy()), rel=1e-6)  # type: ignore[index, operator]


def test_a_constant_target_costs_one_in_the_pearson_loss() -> None:
    constant = torch.ones(20, 1, dtype=torch.float64)
    assert one_minus_pearson(_draw(0)[:, :1], constant).item() == pytest.approx(1.0)


def test_the_loss_is_chosen_by_option() -> None:
    fold = toy_fold()
    values = []
    for loss in ("rmse", "mse", "l1", "pearson"):
        method = LinearProbing(LinearOptions(epochs=2, batch=32, lr=0.01, loss=loss))  # type: ignore[arg-type]
        method.fit(fold.train, None, FitContext(seed=0))
        values.append(method.predict(unlabelled(fold.test)).values)
    assert len({array.tobytes() for array in values}) == 4


def test_genes_can_be_predicted_too() -> None:
    fold = toy_fold("gene_expression")
    method = Mlp(MlpOptions(epochs=12, batch=16))
    method.fit(fold.train, fold.val, FitContext(seed=0))
    predicted, observed = method.predict(unlabelled(fold.test)).values, fold.test.targets.values
    r = [stats.pearsonr(predicted[:, t], observed[:, t]).statistic for t in range(observed.shape[1])]
    assert np.mean(r) > 0.15  # the oracle reaches 0.50, ridge 0.29
