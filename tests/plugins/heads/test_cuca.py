"""CUCA as a method: its losses, its options, and the genes that it needs in training alone."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from histobench import ConfigError, DataError, FitContext, Mode
from histobench.testing import ToyFold, toy_fold, unlabelled
from histobench_heads.cuca.losses import align, cuca_losses, rmse
from histobench_heads.cuca.method import Cuca, CucaMlp
from histobench_heads.cuca.modules import CucaModule, CucaOutput
from histobench_heads.cuca.options import CucaMlpOptions, CucaOptions
from histobench_heads.frames.spotwise.method import Batch, Blueprint


@pytest.fixture(scope="module")
def fold() -> ToyFold:
    return toy_fold(beside=["gene_expression"])


def _draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def _output() -> CucaOutput:
    return CucaOutput(_draw(4, 6), _draw(4, 3, seed=1), _draw(4, 6, seed=2), _draw(4, 5, seed=3))


def _module(method: Cuca | CucaMlp) -> CucaModule:
    torch.manual_seed(0)
    mode: Mode = "full" if isinstance(method, Cuca) else "frozen"
    blueprint = Blueprint(features=8, targets=("a", "b"), auxiliary=("g1", "g2", "g3"), mode=mode, seed=0)
    module = method.make_module(blueprint, nn.Identity() if isinstance(method, Cuca) else None)
    assert isinstance(module, CucaModule)
    return module.eval()


def _cuca(**options: Any) -> CucaModule:
    return _module(Cuca(CucaOptions(**options)))


def _cuca_mlp(**options: Any) -> CucaModule:
    return _module(CucaMlp(CucaMlpOptions(**options)))


def _trained_on(module: CucaModule) -> CucaOutput:
    output = module(_draw(5, 8), _draw(5, 3))
    assert isinstance(output, CucaOutput)
    return output


# losses


def test_the_loss_is_the_weighted_sum_of_its_terms() -> None:
    options = CucaOptions(weight_main=2.0, weight_reconstruction=3.0, weight_alignment=5.0)
    output, targets, genes = _output(), _draw(4, 3, seed=4), _draw(4, 5, seed=5)
    losses = cuca_losses(output, targets, genes, options=options)
    terms = [
        2 * ((output.abundances - targets) ** 2).mean().sqrt(),
        3 * ((output.reconstruction - genes) ** 2).mean().sqrt(),
        5 * ((output.image_latent - output.molecular_latent) ** 2).mean().sqrt(),
    ]
    assert losses["loss"].item() == pytest.approx(sum(terms).item(), rel=1e-6)  # type: ignore[union-attr]


def test_the_alignment_pulls_on_both_branches() -> None:
    image, molecular = _draw(4, 6).requires_grad_(), _draw(4, 6, seed=1).requires_grad_()
    align(image, molecular, how="rmse", epsilon=0.0).backward()
    assert image.grad is not None
    assert molecular.grad is not None
    torch.testing.assert_close(image.grad, -molecular.grad)


@pytest.mark.parametrize("how", ["rmse", "kl", "infonce"])
def test_every_alignment_is_least_where_the_latents_agree(how: str) -> None:
    image = _draw(6, 8)
    apart = align(image, _draw(6, 8, seed=9), how=how, epsilon=0.0)  # type: ignore[arg-type]
    together = align(image, image, how=how, epsilon=0.0)  # type: ignore[arg-type]
    assert together.item() == pytest.approx(0.0, abs=1e-6)
    assert apart > 0.1


def test_kl_compares_distributions() -> None:
    p, q = torch.softmax(_draw(4, 6), dim=1), torch.softmax(_draw(4, 6, seed=1), dim=1)
    expected = (q * (q / p).log()).sum(dim=1).mean()
    found = align(_draw(4, 6), _draw(4, 6, seed=1), how="kl", epsilon=0.0)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize(("epsilon", "finite"), [(0.0, False), (1e-12, True)], ids=["published", "option"])
def test_rmse_has_no_gradient_at_zero_error_without_epsilon(epsilon: float, finite: bool) -> None:
    predicted = torch.ones(2, 2, requires_grad=True)
    rmse(predicted, torch.ones(2, 2), epsilon=epsilon).backward()
    assert predicted.grad is not None
    assert bool(predicted.grad.isfinite().all()) is finite


# modules


def test_the_image_latent_of_cuca_is_not_negative_and_that_of_cucamlp_is_signed() -> None:
    assert _trained_on(_cuca()).image_latent.min() >= 0
    assert _trained_on(_cuca_mlp()).image_latent.min() < 0


def test_alignment_before_relu_changes_the_latent_and_nothing_else() -> None:
    after = _trained_on(_cuca())
    before = _trained_on(_cuca(align_before_relu=True))
    assert before.image_latent.min() < 0
    torch.testing.assert_close(before.image_latent.clamp(min=0), after.image_latent)
    torch.testing.assert_close(before.abundances, after.abundances)


def test_genes_do_not_change_the_abundances() -> None:
    module = _cuca()
    torch.testing.assert_close(module(_draw(5, 8)), _trained_on(module).abundances)


def test_without_batch_norm_the_indices_stay() -> None:
    with_norm, without = (_cuca(batch_norm=batch_norm) for batch_norm in (True, False))
    assert not list(without.buffers())
    names = {name for name, _ in with_norm.named_parameters()}
    assert {name for name, _ in without.named_parameters()} == {
        name for name in names if name.split(".")[1] not in ("1", "5", "9") or not name.startswith("projector")
    }


def test_as_many_genes_as_there_are_are_reconstructed() -> None:
    assert _trained_on(_cuca_mlp()).reconstruction.shape == (5, 3)


# the method


def test_genes_are_needed_in_training_alone(fold: ToyFold) -> None:
    method = CucaMlp(CucaMlpOptions(epochs=1, batch=32))
    with pytest.raises(DataError, match="trains with gene expression in addition to its targets, and the training"):
        method.fit(replace(fold.train, beside={}), None, FitContext(seed=0))
    method.fit(fold.train, replace(fold.val, beside={}), FitContext(seed=0))
    assert method.predict(unlabelled(fold.test)).names == fold.train.targets.names


def test_every_term_is_reported(fold: ToyFold) -> None:
    method = CucaMlp(CucaMlpOptions(epochs=1, batch=32))
    method.fit(fold.train, fold.val, FitContext(seed=0))
    assert method.fitted is not None
    assert set(method.fitted.history[0]) == {"loss", "main", "reconstruction", "alignment", "lr", "val_score"}


def test_the_genes_help_to_shape_the_image_branch(fold: ToyFold) -> None:
    genes = fold.train.beside["gene_expression"]
    other = replace(genes, values=genes.values[::-1].copy())
    values = []
    for train in (fold.train, replace(fold.train, beside={"gene_expression": other})):
        method = CucaMlp(CucaMlpOptions(epochs=2, batch=32))
        method.fit(train, None, FitContext(seed=0))
        values.append(method.predict(unlabelled(fold.test)).values)
    assert not np.allclose(values[0], values[1])


@pytest.mark.parametrize(("option", "rounded"), [(True, True), (False, False)], ids=["published", "fixed"])
def test_training_embeddings_are_rounded_on_request(option: bool, rounded: bool) -> None:
    method = CucaMlp(CucaMlpOptions(half_precision_features=option))
    seen: list[Tensor] = []

    class Spy(nn.Module):
        def forward(self, images: Tensor, _genes: Tensor) -> CucaOutput:
            seen.append(images)
            return _output()

    images = _draw(4, 8)
    method.losses(Spy(), Batch(images, _draw(4, 3), _draw(4, 5)))
    assert torch.equal(seen[0], images.half().float()) is rounded
    assert seen[0].dtype == torch.float32


def test_only_defined_projections_are_taken() -> None:
    with pytest.raises(ConfigError, match="projection must be one of 256, 512, 1024, got 128"):
        CucaOptions(projection=128)


def test_cucamlp_has_one_projection() -> None:
    with pytest.raises(ConfigError, match="the projection of CUCAMLP must be 512, got 256"):
        CucaMlpOptions(projection=256)


def test_a_negative_epsilon_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"rmse_epsilon must not be negative, got -1\.0"):
        CucaOptions(rmse_epsilon=-1.0)


def test_cuca_without_adapters_reads_the_embeddings_of_a_frozen_encoder(fold: ToyFold) -> None:
    """Unlike CUCAMLP with the closing norm and ReLU (cuca, Architecture)."""
    method = Cuca(CucaOptions(epochs=1, batch=32, hidden=16, projection=256))
    method.fit(fold.train, None, FitContext(seed=0, mode="frozen"))
    module = method._module
    assert isinstance(module, CucaModule)
    assert module.backbone is None
    assert isinstance(module.projector_head[-1], nn.ReLU)
    assert method.predict(unlabelled(fold.test)).values.std() > 0
