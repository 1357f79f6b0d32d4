"""Every exception that histobench raises on purpose.

A message says what was expected, what was found, where, and what to do. The command line prints it as one
sentence and exits with code 2; nothing here ever reaches a user as a traceback.
"""

import difflib
from collections.abc import Iterable

__all__ = [
    "ConfigError",
    "ContractError",
    "DataError",
    "HistobenchError",
    "LeakageError",
    "PluginError",
    "ShapeError",
    "StoreError",
    "UnknownNameError",
    "WeightsError",
    "did_you_mean",
    "explain",
]


class HistobenchError(Exception):
    """Base class of every error that histobench raises on purpose."""


class ShapeError(HistobenchError, ValueError):
    """An array has the wrong shape, dtype or names."""


class DataError(HistobenchError, ValueError):
    """A file of a dataset is missing, damaged or of another kind."""


class LeakageError(HistobenchError, ValueError):
    """A split would show a method what it is tested on."""


class PluginError(HistobenchError):
    """A plugin cannot be loaded."""


class ConfigError(HistobenchError, ValueError):
    """A setting, from the command line or a file, is not valid."""


class ContractError(HistobenchError, AssertionError):
    """A plugin breaks its contract; only `histobench.testing` raises it."""


class StoreError(HistobenchError, OSError):
    """The output folder cannot be used."""


class WeightsError(HistobenchError):
    """The weights of an encoder are not available; the message lists where they were looked for."""


class UnknownNameError(ConfigError, KeyError):
    """A name is not known; the message suggests the nearest one."""

    def __str__(self) -> str:
        """Return the sentence itself; ``KeyError`` would show it in quotes."""
        return str(self.args[0])


def explain(error: BaseException) -> str:
    """Return an exception as one line of text: the message alone if it is ours, else with the name of its type."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 -- the __str__ of a third party's exception may fail, too
        text = "it has no message"
    return text if isinstance(error, HistobenchError) else f"{type(error).__name__}: {text}"


_SHOWN = 30
"""How many names an error lists at most."""


def did_you_mean(kind: str, name: str, known: Iterable[str], *, where: str = "") -> UnknownNameError:
    """Return the error for a name that is not known.

    Parameters
    ----------
    kind
        What was looked up, in words: ``"method"``, ``"option of 'cuca'"``.
    known
        The valid names.
    where
        Where the name was given, if that is not obvious: a file, an option of the command line.
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    shown = names if len(names) <= _SHOWN else [*names[:_SHOWN], f"… ({len(names)} in all)"]
    there = f" Known: {', '.join(shown)}." if names else " There is none."
    place = f"{where}: " if where else ""
    return UnknownNameError(f"{place}no {kind} named {name!r}.{hint}{there}")
