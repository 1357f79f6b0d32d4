"""Reads the tensors of pickled networks without their classes and without executing anything.

Such a file names the classes of its modules and how to construct them, so loading it executes a program. The tensors
are in plain dicts of parameters, buffers and inner modules. Therefore every name in the file becomes an inert record
that keeps its arguments. A file that calls functions other than those that write tensors and module attributes is
refused. The tensors are built from the records afterwards.
"""

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from typing_extensions import override

__all__ = ["read_modules"]

_CONTAINERS: dict[str, type] = {
    "collections.OrderedDict": OrderedDict,
    **{f"{module}.{kind.__name__}": kind for module in ("builtins", "__builtin__") for kind in (dict, list, set)},
    **{f"{module}.{kind.__name__}": kind for module in ("builtins", "__builtin__") for kind in (frozenset, tuple)},
}

_PARAMETERS = frozenset({"torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"})
_TENSORS = frozenset({"torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor"})
_BYTES = "torch.storage._load_from_bytes"
_TEXT = "_codecs.encode"
_SIZE = "torch.Size"

# none of these is called: their arguments are kept in a record
_WRITTEN_AS_CALLS = frozenset({
    *_PARAMETERS, *_TENSORS, _BYTES, _SIZE, "torch.device", _TEXT, "copyreg._reconstructor",
    "copy_reg._reconstructor", "functools.partial", "numpy.dtype", "numpy.ndarray",
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
})  # fmt: skip
_DILL = "dill._dill."  # functions among a module's attributes, not called either

_DTYPES = {
    "DoubleStorage": torch.float64, "FloatStorage": torch.float32, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
}  # fmt: skip

_DEEPEST, _MOST = 100, 100_000
"""Largest depth of nested modules, and largest number of modules."""

_PARTS = ("_parameters", "_buffers", "_modules")


class _Refused(pickle.UnpicklingError):
    """The file calls a function that is not allowed."""


class _Inert(type):
    """Metaclass of classes that represent a name in the file; making an object calls nothing."""

    origin: str

    def __call__(cls, *given: Any, **named: Any) -> Any:  # Any: whatever the file holds
        if cls.origin not in _WRITTEN_AS_CALLS and not cls.origin.startswith(_DILL):
            raise _Refused(f"Unsupported global: GLOBAL {cls.origin}")
        return cls.__new__(cls, *given, **named)  # type: ignore[arg-type]  # any name of the file


class _Record(metaclass=_Inert):
    """An object of an unknown class: its arguments, its state, and its items if it was a kind of dict."""

    origin: ClassVar[str] = ""
    given: tuple[Any, ...]  # Any: here and below, whatever the file holds
    state: Any
    items: dict[Any, Any]

    def __new__(cls, *given: Any, **_named: Any) -> Self:
        made = object.__new__(cls)
        made.given, made.state, made.items = given, None, {}
        return made

    def __call__(self, *_given: Any, **_named: Any) -> Any:
        raise _Refused(f"Unsupported global: GLOBAL {self.origin}")

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items[key] = value

    def append(self, value: Any) -> None:
        """Ignore an item of a kind of list."""

    def extend(self, values: Any) -> None:
        """Ignore items of a kind of list."""


class _Unpickler(pickle.Unpickler):
    """Builds records and plain containers."""

    def __init__(self, file: Any, stored: Callable[[Any], Tensor] | None = None) -> None:
        super().__init__(file)
        self._stored = stored
        self._classes: dict[str, type] = {}

    @override
    def find_class(self, module_name: str, global_name: str, /) -> type:
        name = f"{module_name}.{global_name}"
        if name in _CONTAINERS:
            return _CONTAINERS[name]
        return self._classes.setdefault(name, _Inert("_Named", (_Record,), {"origin": name}))

    @override
    def persistent_load(self, pid: Any) -> Tensor:
        if self._stored is None:
            raise _Refused("it holds references to other data")
        return self._stored(pid)


def read_modules(path: Path) -> dict[str, Tensor]:
    """Read the tensors of pickled networks, alone or in a dict, by their dotted names.

    Returns
    -------
    Name → tensor; empty if the file holds no network.

    Raises
    ------
    pickle.UnpicklingError
        If a function would have to be called; the message names it.
    Exception
        Any error that damaged bytes cause.
    """
    try:
        held = _read_archive(path) if zipfile.is_zipfile(path) else _read_pickle(path)
    except _Refused:
        raise
    except pickle.UnpicklingError as error:
        raise ValueError(str(error)) from error
    networks = {f"{name}.": value for name, value in dict.items(held)} if isinstance(held, dict) else {"": held}
    storages: dict[int, Tensor] = {}
    found: dict[str, Tensor] = {}
    for prefix, network in networks.items():
        found.update((name, _tensor(value, storages)) for name, value in _walk(network, prefix))
    return found


def _read_pickle(path: Path) -> Any:
    with path.open("rb") as file:
        return _Unpickler(file).load()


def _read_archive(path: Path) -> Any:
    """Read torch's archive: a pickle, and the bytes of every storage."""
    with zipfile.ZipFile(path) as archive:
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise ValueError("torch compresses nothing in its archives")
        (main,) = (name for name in archive.namelist() if PurePosixPath(name).name == "data.pkl")
        folder = PurePosixPath(main).parent

        def stored(pid: Any) -> Tensor:
            kind, of, key, _, n = pid
            if kind != "storage" or not isinstance(of, _Inert) or not isinstance(key, str):
                raise ValueError("a reference to no storage")
            dtype = _DTYPES[of.origin.removeprefix("torch.")]
            content = bytearray(archive.read(str(folder / "data" / key)))
            return torch.frombuffer(content, dtype=dtype, count=n) if n else torch.empty(0, dtype=dtype)

        with archive.open(main) as file:
            return _Unpickler(file, stored).load()


def _walk(network: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield every parameter and buffer of a module and its inner modules; nothing if it is not a module."""
    left, n_seen = [(network, prefix, 0)], 0
    while left:
        module, name, depth = left.pop()
        n_seen += 1
        if depth > _DEEPEST or n_seen > _MOST:
            raise ValueError("its modules hold themselves, or are too many")
        parts = _parts(module)
        if parts is None:
            continue
        for part in parts[:2]:
            yield from ((f"{name}{key}", value) for key, value in dict.items(part) if value is not None)
        left += [(inner, f"{name}{key}.", depth + 1) for key, inner in dict.items(parts[2]) if inner is not None]


def _parts(module: Any) -> tuple[dict[Any, Any], ...] | None:
    """Return a module's parameters, buffers and modules; ``None`` if it is not a module."""
    state = module.state if isinstance(module, _Record) else None
    parts = [state.get(part) for part in _PARTS] if isinstance(state, dict) else []
    known = tuple(part for part in parts if isinstance(part, dict))
    return known if len(known) == len(_PARTS) else None


def _tensor(value: Any, storages: dict[int, Tensor]) -> Tensor:
    """Build the tensor that a record describes, as a view of its storage."""
    if isinstance(value, _Record) and value.origin in _PARAMETERS:
        value = value.given[0]
    if not isinstance(value, _Record) or value.origin not in _TENSORS:
        raise ValueError(f"a parameter is not a tensor but {getattr(value, 'origin', type(value).__name__)}")
    held, start, size, stride = value.given[:4]
    size = size.given[0] if isinstance(size, _Record) and size.origin == _SIZE else size
    if id(held) not in storages:
        storages[id(held)] = _storage(held)
    flat = storages[id(held)]
    if len(size) != len(stride) or any(type(n) is not int or n < 0 for n in (start, *size, *stride)):
        raise ValueError("a tensor has no shape")
    last = start + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    n_values = 1
    for n in size:
        n_values *= n
    if n_values and (last >= len(flat) or n_values > len(flat)):
        raise ValueError("a tensor is larger than its storage")
    return torch.as_strided(flat, size, stride, start) if n_values else flat.new_empty(size)


def _storage(held: Any) -> Tensor:
    """Return the values of a storage as a flat tensor."""
    if isinstance(held, Tensor):
        return held
    if not isinstance(held, _Record) or held.origin != _BYTES:
        raise ValueError("a tensor has no storage")
    content = held.given[0]
    if isinstance(content, _Record) and content.origin == _TEXT:  # bytes, as old protocols write them
        content = content.given[0].encode("latin-1")
    read = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    if not isinstance(read, torch.storage.TypedStorage):
        raise ValueError(f"a storage is a {type(read).__name__}")
    return torch.empty(0, dtype=read.dtype).set_(read)
