"""The Inception that Fréchet distances are quoted with, from a file in its publisher's layout."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from histobench import PatchGeometry, WeightsError
from histobench.contracts.registry import Registry
from histobench.weights.slots import judging_encoder
from histobench_encoders.inception import Inception

FILE = "weights-inception-2015-12-05-6726825d.pth"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights under the published names."""
    folder = tmp_path_factory.mktemp("weights") / "inception-v3"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patched, torch.random.fork_rng():
        torch.manual_seed(0)
        patched.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None)
        empty = folder / "empty.pth"
        torch.save({}, empty)
        network = FeatureExtractorInceptionV3("x", ["2048"], feature_extractor_weights_path=str(empty))
        empty.unlink()
    torch.save(network.state_dict(), folder / FILE)
    return folder.parent


def test_card_counts_the_parameters_of_the_network(weights: Path) -> None:
    state = torch.load(weights / "inception-v3" / FILE, weights_only=True)
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    counted = sum(tensor.numel() for name, tensor in state.items() if not name.endswith(buffers))
    assert Registry.load().encoders.get("inception-v3").params == counted


def test_patches_of_any_size_are_embedded_each_by_itself(weights: Path) -> None:
    encoder = Inception("inception-v3", PatchGeometry(patch_px=64), weights / "inception-v3" / FILE)
    patches = np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3), dtype=np.uint8)
    together = encoder.embed(patches)
    assert together.shape == (3, encoder.dim)
    assert np.allclose(encoder.embed(patches[1:2]), together[1:2], atol=1e-4)


def test_it_judges_as_soon_as_its_weights_are_there(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = Registry.load()
    assert judging_encoder(known, None).card.name == "densenet121.random"
    monkeypatch.setenv("HISTOBENCH_WEIGHTS", str(weights))
    assert judging_encoder(known, None).card.name == "inception-v3"


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.zeros(3)}, tmp_path / FILE)
    encoder = Inception("inception-v3", PatchGeometry(), tmp_path / FILE)
    with pytest.raises(WeightsError, match="cannot be read"):
        encoder.embed(np.zeros((1, 64, 64, 3), np.uint8))
