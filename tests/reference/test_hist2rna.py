"""hist2RNA's head against the numbers of its specification (specs/hist2scrna.md, section 13)."""

import pytest
import torch

from histobench_heads.hist2rna.catalogue import HIST2RNA
from histobench_heads.hist2rna.method import BulkHead
from histobench_heads.hist2rna.options import Hist2RnaOptions

pytestmark = pytest.mark.reference


def test_parameter_count_is_the_published_one() -> None:
    assert sum(parameter.numel() for parameter in BulkHead(2048, 50).parameters()) == 3_041_586
    assert list(HIST2RNA.parameters.values()) == [3_041_586]


def test_the_published_two_step_recipe_is_the_default() -> None:
    options = Hist2RnaOptions()
    recipe = (options.epochs, options.batch, options.lr, options.weight_decay, options.patience, options.bag_spots)
    assert recipe == (500, 12, 1e-4, 0.01, 20, 1000)


def test_tensors_have_the_published_names_and_shapes() -> None:
    shapes = {name: tuple(parameter.shape) for name, parameter in BulkHead(512, 50).named_parameters()}
    assert shapes == {
        "c1.0.weight": (256, 512, 5),
        "c1.0.bias": (256,),
        "c2.0.weight": (512, 256, 1),
        "c2.0.bias": (512,),
        "c3.0.weight": (512, 512, 1),
        "c3.0.bias": (512,),
        "output.0.weight": (50, 512),
        "output.0.bias": (50,),
    }


@torch.no_grad()
def test_only_the_central_tap_of_the_first_convolution_acts() -> None:
    torch.manual_seed(0)
    head, embeddings = BulkHead(6, 3), torch.randn(4, 6)
    before = head(embeddings)
    head.c1[0].weight[:, :, [0, 1, 3, 4]] = 7.0
    assert torch.equal(head(embeddings), before)
    head.c1[0].weight[:, :, 2] += 1.0
    assert not torch.allclose(head(embeddings), before)
