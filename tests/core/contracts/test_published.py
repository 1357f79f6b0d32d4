"""What an author converts with: renaming, reading sizes, names of columns."""

import pytest
import torch

from histobench import DataError
from histobench.contracts.published import ConvertRequest, length, renamed

ONE = torch.ones(1)


def test_first_beginning_that_fits_renames_once() -> None:
    tensors = {"net.0.weight": ONE, "net.1.weight": ONE, "head.net.0": ONE}
    table = {r"net\.0\.": "conv.", r"net\.(\d)\.": r"block\1.", "conv": "never"}
    assert list(renamed(tensors, table)) == ["conv.weight", "block1.weight", "head.net.0"]


def test_two_tensors_of_one_name_are_refused() -> None:
    with pytest.raises(DataError, match=r"'a\.x' and 'b\.x' of the checkpoint are both 'x'"):
        renamed({"a.x": ONE, "b.x": ONE}, {r"[ab]\.": ""})


def test_size_of_a_missing_tensor_or_axis_is_refused() -> None:
    with pytest.raises(DataError, match=r"no tensor 'head\.bias'"):
        length({"x": ONE}, "head.bias")
    with pytest.raises(DataError, match="must have axis 1"):
        length({"x": ONE}, "x", axis=1)


def test_given_names_win_over_the_datasets() -> None:
    of_dataset = {"minor": ("a", "b")}
    assert ConvertRequest(options=None, kind="label", targets=("x", "y"), of_dataset=of_dataset).target_names(2) == (
        "x",
        "y",
    )
    assert ConvertRequest(options=None, kind="label", of_dataset=of_dataset).target_names(2) == ("a", "b")


def test_datasets_names_are_not_guessed_between() -> None:
    of_dataset = {"minor": ("a", "b"), "major": ("c", "d")}
    with pytest.raises(DataError, match="--targets"):
        ConvertRequest(options=None, kind="label", of_dataset=of_dataset).target_names(2)
