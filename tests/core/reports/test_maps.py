"""Pictures of predictions."""

import numpy as np
import pytest
from PIL import Image

from histobench import Prediction, Targets
from histobench.data import SlideResult
from histobench.errors import DataError, UnknownNameError
from histobench.reports.maps import MAX_SLIDES, most_variable_target, spot_map


def _result(slide, *, n=40, names=("quiet", "loud"), spread=(1.0, 9.0)):
    rng = np.random.default_rng(sum(map(ord, slide)))
    observed = rng.gamma(2.0, 1.0, (n, len(names))).astype(np.float32) * np.asarray(spread, dtype=np.float32)
    return SlideResult(
        slide_id=slide,
        spot_ids=np.array([str(i) for i in range(n)]),
        xy_um=rng.uniform(0, 6000, (n, 2)).astype(np.float32),
        predicted=Prediction(names=names, values=observed / 2),
        observed=Targets(kind="cell_abundance", names=names, values=observed),
    )


def _pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def test_the_target_of_largest_variance_is_drawn(tmp_path):
    assert spot_map([_result("A1"), _result("B1")], tmp_path / "map.png") == "loud"


def test_a_named_target_is_drawn(tmp_path):
    assert spot_map([_result("A1")], tmp_path / "map.png", target="quiet") == "quiet"


def test_variance_counts_differences_between_slides():
    results = [_result("A1", spread=(1.0, 2.0)), _result("B1", spread=(100.0, 2.0))]
    assert most_variable_target(results) == "quiet"


def test_map_is_900_px_wide_and_not_empty(tmp_path):
    spot_map([_result("A1")], tmp_path / "map.png", title="ridge on toy")
    pixels = _pixels(tmp_path / "map.png")
    assert pixels.shape[1] == 900
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50


def test_y_points_down(tmp_path):
    xy_um = np.array([[0.0, 0.0], [1000.0, 0.0], [0.0, 1000.0], [1000.0, 1000.0]])
    values = xy_um[:, 1:].astype(np.float32)
    result = SlideResult(
        slide_id="A1",
        spot_ids=np.array(["a", "b", "c", "d"]),
        xy_um=xy_um,
        predicted=Prediction(names=("depth",), values=values),
        observed=Targets(kind="cell_abundance", names=("depth",), values=values),
    )
    spot_map([result], tmp_path / "map.png")
    pixels = _pixels(tmp_path / "map.png").astype(int)
    spots = pixels[: int(len(pixels) * 0.8)]  # without the colour bar
    yellow = np.argwhere((spots[..., 0] > 240) & (spots[..., 2] < 60))
    violet = np.argwhere((spots[..., 0] < 80) & (spots[..., 1] < 10) & (spots[..., 2] > 70))
    assert violet[:, 0].max() < yellow[:, 0].min()


def test_the_same_results_give_the_same_bytes(tmp_path):
    for name in ("one.png", "two.png"):
        spot_map([_result("A1")], tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_height_does_not_grow_with_the_number_of_slides(tmp_path):
    for n in (MAX_SLIDES, MAX_SLIDES + 2):
        spot_map([_result(f"A{i}", n=2) for i in range(n)], tmp_path / f"{n}.png")
    heights = {_pixels(path).shape[0] for path in tmp_path.glob("*.png")}
    assert len(heights) == 1


def test_constant_values_and_hostile_names_are_drawn(tmp_path):
    names = (r"$\frac{", "<b>")
    flat = np.ones((3, 2), dtype=np.float32)
    result = SlideResult(
        slide_id="$A_1$",
        spot_ids=np.array(["a", "b", "c"]),
        xy_um=np.zeros((3, 2), dtype=np.float32),
        predicted=Prediction(names=names, values=flat),
        observed=Targets(kind="cell_abundance", names=names, values=flat),
    )
    assert spot_map([result], tmp_path / "map.png", title=r"$\bad", unit="$$") == names[0]
    assert (tmp_path / "map.png").stat().st_size > 0


def test_no_results_are_refused(tmp_path):
    with pytest.raises(DataError, match="no map to draw: no slide was predicted"):
        spot_map([], tmp_path / "map.png")


def test_an_unknown_target_gets_a_suggestion(tmp_path):
    with pytest.raises(UnknownNameError, match=r"no target named 'lout'\. Did you mean 'loud'"):
        spot_map([_result("A1")], tmp_path / "map.png", target="lout")
