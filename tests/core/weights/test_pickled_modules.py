"""Networks that were pickled whole, of classes that are not here: tensors are read, and nothing is run."""

import os
import pickle
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from histobench.errors import DataError
from histobench.weights.foreign import read_foreign
from histobench.weights.pickled_modules import read_modules

UPSTREAM = '''
import torch
from torch import nn


class EasyDict(dict):
    """A dict of another class, as configurations are."""


class Layer(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.weight = nn.Parameter(torch.arange(float(n * n)).reshape(n, n))
        self.register_parameter("bias", None)
        self.register_buffer("filter", torch.ones(n)[::2])
        self.settings = EasyDict(gain=2.0)


class Network(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.layers = nn.ModuleList([Layer(n), nn.Linear(n, 1), nn.BatchNorm1d(n)])
        self.layers[1].weight.requires_grad_(False)
        self.nothing = None
'''


@contextmanager
def upstream() -> Iterator[types.ModuleType]:
    """Have the publisher's classes importable for a while."""
    package, module = types.ModuleType("networks"), types.ModuleType("networks.generator")
    exec(UPSTREAM, module.__dict__)  # noqa: S102 -- the test's own text
    sys.modules.update({"networks": package, "networks.generator": module})
    try:
        yield module
    finally:
        del sys.modules["networks"], sys.modules["networks.generator"]


def written(path: Path, make: Callable[[types.ModuleType], object], how: str = "pickle") -> Path:
    with upstream() as module, torch.random.fork_rng():
        torch.manual_seed(0)
        held = make(module)
        if how == "torch":
            torch.save(held, path)
        else:
            path.write_bytes(pickle.dumps(held, protocol={"pickle": 4, "old": 2}[how]))
    return path


def snapshot(module: types.ModuleType) -> dict[str, object]:
    network = module.Network(4)
    options = module.EasyDict(mask=np.arange(3), resolution=np.int64(64), names=["a"])
    return {"G": network, "G_ema": module.Network(2), "training_set_kwargs": options, "epoch": 3}


def known() -> dict[str, Tensor]:
    with upstream() as module, torch.random.fork_rng():
        torch.manual_seed(0)
        held = snapshot(module)
        return {
            f"{name}.{key}": value.clone()
            for name in ("G", "G_ema")
            for key, value in held[name].state_dict().items()  # type: ignore[attr-defined]  # a module
        }


@pytest.mark.parametrize("how", ["pickle", "old", "torch"])
def test_tensors_are_read_without_the_classes(tmp_path: Path, how: str) -> None:
    found = read_foreign(written(tmp_path / "theirs.pkl", snapshot, how))
    wanted = known()
    assert set(found) == set(wanted)
    for name, tensor in wanted.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=0)


def test_a_network_alone_has_its_own_names(tmp_path: Path) -> None:
    found = read_foreign(written(tmp_path / "theirs.pt", lambda module: module.Layer(3), "torch"))
    assert set(found) == {"weight", "filter"}
    assert found["filter"].tolist() == [1.0, 1.0]


def test_functions_among_the_attributes_are_kept_away(tmp_path: Path) -> None:
    def make(module: types.ModuleType) -> nn.Module:
        layer = module.Layer(2)
        layer.activation, layer.norm = torch.nn.functional.gelu, partial(nn.LayerNorm, eps=1e-6)
        layer.dtype, layer.device = torch.float32, torch.device("cpu")
        return layer  # type: ignore[no-any-return]

    assert set(read_modules(written(tmp_path / "theirs.pkl", make))) == {"weight", "filter"}


class Call:
    """Any call, made while it is loaded by anything that runs what it loads."""

    def __init__(self, function: Callable[..., object], *given: object) -> None:
        self.called = function, given

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.called


@pytest.mark.parametrize("how", ["pickle", "old", "torch"])
@pytest.mark.parametrize("place", ["attribute", "parameter", "beside", "state"])
@pytest.mark.parametrize(
    ("call", "asked"),
    [
        (lambda trace: (os.system, f"touch {trace}"), "posix.system"),
        (lambda trace: (eval, f"open({str(trace)!r}, 'w')"), "eval"),
        (lambda trace: (torch.save, {}, str(trace)), "torch.serialization.save"),
        (lambda trace: (partial(os.system, f"touch {trace}"),), "partial"),
    ],
    ids=["system", "eval", "torch", "partial"],
)
def test_a_hostile_network_is_refused_and_runs_nothing(
    tmp_path: Path, call: Callable[[Path], Any], asked: str, place: str, how: str
) -> None:
    trace = tmp_path / "trace"

    def make(module: types.ModuleType) -> dict[str, object]:
        function, *given = call(trace)
        hostile: Any = Call(function, *given)
        held = snapshot(module)
        layer: Any = held["G"].layers[0]  # type: ignore[attr-defined]  # a module
        if place == "beside":
            held["hook"] = hostile
        elif place == "attribute":
            layer.hook = hostile
        elif place == "parameter":
            layer._parameters["weight"] = hostile
        else:
            layer._buffers = hostile
        return held

    file = written(tmp_path / "theirs.pkl", make, how)
    with pytest.raises(DataError, match=r"nothing of it was executed") as told:
        read_foreign(file)
    assert not trace.exists()
    assert asked in str(told.value)


def raw(*lines: bytes) -> bytes:
    """Write a pickle by hand, of protocol 0."""
    return b"".join(lines) + b"."


@pytest.mark.parametrize(
    "program",
    [
        raw(b"cposix\nsystem\n(S'touch trace'\ntR"),
        raw(b"(S'touch trace'\niposix\nsystem\n"),
        raw(b"(cposix\nsystem\nS'touch trace'\no"),
        raw(b"cfunctools\npartial\n(cposix\nsystem\nS'touch trace'\ntR", b")R"),
        raw(b"ccollections\nOrderedDict\n(tR(N(dS'items'\ncposix\nsystem\nstb"),
        raw(b"cnetworks.generator\nNetwork\n)\x81(dS'_modules'\ncposix\nsystem\nsb"),
        raw(b"ctorch.storage\n_load_from_bytes\n(S'no'\ntR"),
        raw(b"Ptrace\n"),
        b"\x80\x04" + raw(b"\x8c\x05posix\x8c\x06system\x93\x8c\x0btouch trace\x85R"),
        b"\x80\x04" + raw(b"\x8c\x08builtins\x8c\x12dict.fromkeys.call\x93(tR"),
        b"\x80\x02" + raw(b"cposix\nsystem\n(S'touch trace'\nt\x81"),
        b"\x80\x02" + raw(b"\x82\x01"),
    ],
)
def test_programs_written_by_hand_run_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: bytes) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "theirs.pkl").write_bytes(program)
    with pytest.raises(DataError):
        read_foreign(tmp_path / "theirs.pkl")
    assert not (tmp_path / "trace").exists()


def test_a_network_in_itself_is_refused(tmp_path: Path) -> None:
    def make(module: types.ModuleType) -> object:
        layer = module.Layer(2)
        layer._modules["again"] = layer
        return layer

    with pytest.raises(DataError, match="its modules hold themselves, or are too many"):
        read_foreign(written(tmp_path / "theirs.pkl", make))


@pytest.mark.parametrize(("size", "stride"), [((1 << 40,), (0,)), ((3, 3), (3, 1)), ((2,), (1 << 40,)), ((-1,), (1,))])
def test_a_tensor_larger_than_its_storage_is_refused(
    tmp_path: Path, size: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    class Claim:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
            four = torch.zeros(4).untyped_storage()
            storage = torch.storage.TypedStorage(wrap_storage=four, dtype=torch.float32, _internal=True)
            return torch._utils._rebuild_tensor_v2, (storage, 0, size, stride, False, {})

    def make(module: types.ModuleType) -> object:
        layer = module.Layer(2)
        layer._buffers["filter"] = Claim()
        return layer

    with pytest.raises(DataError, match=r"a tensor is larger than its storage|a tensor has no shape"):
        read_foreign(written(tmp_path / "theirs.pkl", make))


@pytest.mark.parametrize("how", ["pickle", "torch"])
def test_a_truncated_network_is_refused(tmp_path: Path, how: str) -> None:
    file = written(tmp_path / "theirs.pkl", snapshot, how)
    whole = file.read_bytes()
    for share in (0.1, 0.5, 0.9, 0.999):
        file.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(DataError, match="is damaged"):
            read_foreign(file)


def test_a_dict_without_a_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"it asks for networks\.generator\.EasyDict"):
        read_foreign(written(tmp_path / "theirs.pt", lambda module: {"a": module.EasyDict(b=1)}, "torch"))
