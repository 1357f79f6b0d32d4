"""Every record builds the network that the specification measured: encoders.md, section 2."""

import functools

import pytest
import torch
from torch import nn

from histobench_encoders.entries import ENTRIES
from histobench_encoders.timm_encoder import PatchNetwork, TimmEncoder

pytestmark = pytest.mark.reference

# name: parameters, width of class token (or of the only embedding), tokens before the image's, position embeddings
TABLE = {
    "virchow": (631_229_184, 1280, 1, 257),
    "virchow2": (631_239_424, 1280, 5, 261),
    "uni": (303_350_784, 1024, 1, 197),
    "uni2-h": (681_394_176, 1536, 9, 256),
    "gigapath": (1_134_953_984, 1536, 1, 197),
    "h-optimus-0": (1_134_774_272, 1536, 5, 256),
    "h-optimus-1": (1_134_774_272, 1536, 5, 256),
    "h0-mini": (85_739_520, 768, 5, 256),
    "phikon": (85_798_656, 768, 1, 197),
    "phikon-v2": (303_350_784, 1024, 1, 197),
    "hibou-b": (85_727_232, 768, 5, 256),
    "hibou-l": (303_230_976, 1024, 5, 256),
    "midnight-12k": (1_134_769_664, 1536, 1, 257),
    "gpfm": (303_227_904, 1024, 1, 257),
    "kaiko-vits16": (21_665_664, 384, 1, 197),
    "kaiko-vits8": (21_670_272, 384, 1, 785),
    "kaiko-vitb16": (85_798_656, 768, 1, 197),
    "kaiko-vitb8": (85_807_872, 768, 1, 785),
    "kaiko-vitl14": (304_370_688, 1024, 5, 1369),
    "lunit-vits16": (21_665_664, 384, 1, 197),
    "lunit-vits8": (21_670_272, 384, 1, 785),
    "plip": (87_456_000, 768, 1, 50),
    "conch-v1": (87_565_056, 512, 1, 785),
    "conch-v1.5": (306_711_296, 768, 1, 785),
    "ctranspath": (27_520_038, 768, None, None),
    "resnet50-hest": (8_543_296, 1024, None, None),
    "resnet50.imagenet": (23_508_032, 2048, None, None),
    "resnet50.random": (23_508_032, 2048, None, None),
    "resnet18.imagenet": (11_176_512, 512, None, None),
    "resnet18.random": (11_176_512, 512, None, None),
    "densenet121.imagenet": (6_953_856, 1024, None, None),
    "densenet121.random": (6_953_856, 1024, None, None),
    "vit-tiny": (5_524_416, 192, 1, 197),
    "vit-small": (21_665_664, 384, 1, 197),
    "vit-base": (85_798_656, 768, 1, 197),  # the same network as Kaiko's
}

# the authors' own choice where it is more than the class token
CONCATENATED = {"virchow", "virchow2", "midnight-12k"}

SWIGLU_HALF = {  # packed width of the first layer, as section 2 has it
    "virchow": 6832, "virchow2": 6832, "uni2-h": 8192, "gigapath": 8192, "h-optimus-0": 8192, "h-optimus-1": 8192,
    "midnight-12k": 8192, "h0-mini": 4096,
}  # fmt: skip


@functools.cache
def network(name: str) -> PatchNetwork:
    """A network without memory, shared by the tests: nothing here changes it."""
    with torch.device("meta"):
        return TimmEncoder(name, ENTRIES[name], geometry=ENTRIES[name].geometry).module().eval()


def transformer(name: str) -> nn.Module:
    trunk = network(name).trunk
    return trunk.trunk if ENTRIES[name].builder == "conch" else trunk


def test_every_record_is_in_the_table() -> None:
    assert set(TABLE) == set(ENTRIES)


@pytest.mark.parametrize("name", TABLE)
def test_a_network_has_the_measured_size_and_width(name: str) -> None:
    params, width, _, _ = TABLE[name]
    entry, made = ENTRIES[name], network(name)
    side = entry.patch_px
    with torch.device("meta"), torch.no_grad():
        embedding = made(torch.zeros(2, side, side, 3, dtype=torch.uint8))
    assert sum(parameter.numel() for parameter in made.parameters()) == params == entry.params
    assert embedding.shape == (2, entry.dim) == (2, width * (2 if name in CONCATENATED else 1))


@pytest.mark.parametrize("name", [name for name, facts in TABLE.items() if facts[2]])
def test_tokens_before_the_images_and_positions_are_the_measured_ones(name: str) -> None:
    _, _, prefix, positions = TABLE[name]
    trunk = transformer(name)
    assert trunk.num_prefix_tokens == prefix == 1 + ENTRIES[name].registers
    assert trunk.pos_embed.shape[1] == positions
    assert len(trunk.blocks) == ENTRIES[name].depth


@pytest.mark.parametrize("name", [name for name, facts in TABLE.items() if facts[2]])
def test_the_gate_of_a_swiglu_is_silu_and_no_other_model_has_one(name: str) -> None:
    mlp = transformer(name).blocks[0].mlp
    if name in SWIGLU_HALF:
        assert type(mlp.act) is nn.SiLU
        assert mlp.fc1.out_features == SWIGLU_HALF[name] == 2 * mlp.fc2.in_features
    else:
        assert type(mlp.act).__name__ == ("QuickGELU" if name == "plip" else "GELU")
        assert mlp.fc1.out_features == mlp.fc2.in_features


@pytest.mark.parametrize(("name", "eps"), [("phikon", 1e-12), ("plip", 1e-5), ("uni", 1e-6), ("virchow2", 1e-6)])
def test_the_epsilon_of_the_normalisations_is_the_measured_one(name: str, eps: float) -> None:
    assert {block.norm1.eps for block in transformer(name).blocks} == {eps}


@pytest.mark.parametrize(
    ("name", "mean", "std"),
    [
        ("virchow2", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("conch-v1.5", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("h-optimus-1", (0.707223, 0.578729, 0.703617), (0.211883, 0.230117, 0.177517)),
        ("h0-mini", (0.707223, 0.578729, 0.703617), (0.211883, 0.230117, 0.177517)),
        ("hibou-l", (0.7068, 0.5755, 0.722), (0.195, 0.2316, 0.1816)),
        ("lunit-vits8", (0.70322989, 0.53606487, 0.66096631), (0.21716536, 0.26081574, 0.20723464)),
        ("conch-v1", (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
        ("plip", (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
        ("midnight-12k", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        ("kaiko-vitl14", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    ],
)
def test_normalisation_is_the_published_one(name: str, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    """encoders.md, section 4."""
    assert (ENTRIES[name].mean, ENTRIES[name].std) == (mean, std)
