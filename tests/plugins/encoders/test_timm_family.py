"""Any model of timm by its name."""

import json
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from histobench import ConfigError, EncoderCard, PatchGeometry, WeightsError
from histobench.contracts.registry import Registry
from histobench.testing import check_encoder
from histobench_encoders.catalogue import CARDS
from histobench_encoders.timm_family import describe


def card(name: str) -> EncoderCard:
    registry = Registry()
    registry.encoders.cards.update({card.name: card for card in CARDS})
    return registry.encoders.get(name)


@pytest.mark.parametrize("name", ["timm:test_vit.random", "timm:test_resnet.random"])
def test_a_random_member_keeps_the_contract(name: str) -> None:
    check_encoder(card(name))


def test_a_member_is_fed_at_the_side_of_its_weights() -> None:
    assert card("timm:test_vit").geometry == PatchGeometry(patch_px=160)


@pytest.mark.parametrize("side", [64, 160])
def test_a_network_of_one_side_takes_any_patch(side: int) -> None:
    encoder = card("timm:test_vit.random").build(PatchGeometry(patch_px=side))
    assert encoder.embed(np.zeros((2, side, side, 3), np.uint8)).shape == (2, encoder.dim)


def test_pretrained_weights_bring_their_own_normalisation() -> None:
    entry = describe("vit_tiny_patch16_224.augreg_in21k_ft_in1k")
    assert (entry.mean, entry.std) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def test_pretrained_weights_are_looked_for_at_their_own_page() -> None:
    weights = card("timm:resnet34.a1_in1k").weights
    assert weights is not None
    assert weights.hub_id == "timm/resnet34.a1_in1k"


def test_timms_own_file_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HISTOBENCH_WEIGHTS", str(tmp_path))
    network = timm.create_model("test_resnet")
    folder = tmp_path / "timm" / "test_resnet.r160_in1k"
    folder.mkdir(parents=True)
    save_file(network.state_dict(), folder / "model.safetensors")
    encoder = card("timm:test_resnet.r160_in1k").build(None)
    network.reset_classifier(0)
    with torch.no_grad():
        expected = network.eval()((torch.zeros(1, 3, 160, 160) - 0.5) / 0.5)
    np.testing.assert_allclose(encoder.embed(np.zeros((1, 160, 160, 3), np.uint8)), expected, rtol=1e-4, atol=1e-5)


def test_a_damaged_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HISTOBENCH_WEIGHTS", str(tmp_path))
    (tmp_path / "timm:test_resnet").mkdir()
    (tmp_path / "timm:test_resnet" / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(WeightsError, match="the weights of encoder 'timm:test_resnet' cannot be read"):
        card("timm:test_resnet").build(None).embed(np.zeros((1, 160, 160, 3), np.uint8))


def test_timms_own_file_is_loaded_strictly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What timm itself does not do where the classifier is left out."""
    monkeypatch.setenv("HISTOBENCH_WEIGHTS", str(tmp_path))
    state = timm.create_model("test_resnet").state_dict()
    del state["layer1.0.bn1.weight"]
    (tmp_path / "timm:test_resnet").mkdir()
    save_file(state, tmp_path / "timm:test_resnet" / "model.safetensors")
    with pytest.raises(WeightsError, match=r"the weights of encoder 'timm:test_resnet' cannot be read: .*state_dict"):
        card("timm:test_resnet").build(None).embed(np.zeros((1, 160, 160, 3), np.uint8))


CONFIG = {
    "architecture": "test_vit",
    "num_classes": 7,
    "model_args": {"init_values": 1e-5},
    "pretrained_cfg": {
        "input_size": [3, 32, 32],
        "mean": [0.1, 0.2, 0.3],
        "std": [0.4, 0.5, 0.6],
        "fixed_input_size": True,
    },
}


def put_model(root: Path, config: object = CONFIG, **kwargs: object) -> dict[str, torch.Tensor]:
    folder = root / "lab" / "net"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    state = timm.create_model("test_vit", num_classes=7, **kwargs).state_dict()
    save_file(state, folder / "model.safetensors")
    return state


def test_a_model_of_the_hubs_is_built_and_normalised_as_its_configuration_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HISTOBENCH_WEIGHTS", str(tmp_path))
    overlay = {"img_size": 32, "init_values": 1e-5}
    config = {**CONFIG, "model_args": overlay}
    state = put_model(tmp_path, config, **overlay)
    described = card("hf-hub:lab/net")
    assert described.geometry == PatchGeometry(patch_px=32)
    network = timm.create_model("test_vit", num_classes=7, **overlay)
    network.load_state_dict(state)
    network.reset_classifier(0)
    images = (torch.zeros(1, 3, 32, 32) - torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1)) / torch.tensor(
        [0.4, 0.5, 0.6]
    ).view(3, 1, 1)
    with torch.no_grad():
        expected = network.eval()(images)
    embedded = described.build(None).embed(np.zeros((1, 32, 32, 3), np.uint8))
    np.testing.assert_allclose(embedded, expected, rtol=1e-4, atol=1e-5)


def test_a_model_of_the_hubs_is_loaded_strictly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HISTOBENCH_WEIGHTS", str(tmp_path))
    put_model(tmp_path, {**CONFIG, "model_args": {"img_size": 32}}, img_size=32, init_values=1e-5)
    with pytest.raises(WeightsError, match=r"'hf-hub:lab/net' cannot be read: .*state_dict"):
        card("hf-hub:lab/net").build(None).embed(np.zeros((1, 32, 32, 3), np.uint8))


def test_a_model_that_has_a_card_is_sent_there() -> None:
    with pytest.raises(ConfigError, match="use encoder 'virchow2': its card has facts that the configuration of"):
        card("hf-hub:paige-ai/Virchow2")


def test_a_model_that_is_nowhere_says_how_to_get_it() -> None:
    with pytest.raises(WeightsError, match=r"encoder 'hf-hub:lab/nothing' \(config\.json\) are not available"):
        card("hf-hub:lab/nothing")


@pytest.mark.parametrize("config", [{"architecture": "test_vit"}, ["list"], {**CONFIG, "pretrained_cfg": {"mean": 1}}])
def test_a_configuration_of_another_kind_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: object
) -> None:
    monkeypatch.setenv("HISTOBENCH_WEIGHTS", str(tmp_path))
    put_model(tmp_path, config)
    with pytest.raises(WeightsError, match="not the configuration of a model in timm's format"):
        card("hf-hub:lab/net")


def test_a_mistyped_model_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError, match=r"timm has no model named 'resnet43'\. Did you mean 'resnet"):
        card("timm:resnet43")


def test_a_mistyped_tag_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError, match=r"named 'resnet18\.a1_in2k'\. Did you mean 'resnet18\.a"):
        card("timm:resnet18.a1_in2k")


def test_a_model_without_weights_is_refused_unless_random() -> None:
    with pytest.raises(ConfigError, match=r"timm publishes no weights for .*; use 'timm:vit_base_r26_s32_224\.random'"):
        card("timm:vit_base_r26_s32_224")
    assert card("timm:vit_base_r26_s32_224.random").weights is None
