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
    """Stand above every error raised on purpose."""


class ShapeError(HistobenchError, ValueError):
    """Say that an array has not the shape, dtype or names it must have."""


class DataError(HistobenchError, ValueError):
    """Say that a file of a dataset is missing, damaged or not what it claims to be."""


class LeakageError(HistobenchError, ValueError):
    """Say that a split would show a method what it is tested on."""


class PluginError(HistobenchError):
    """Say that a plugin broke the rules of loading."""


class ConfigError(HistobenchError, ValueError):
    """Say that a setting, from the command line or a file, cannot be honoured."""


class ContractError(HistobenchError, AssertionError):
    """Say which promise a plugin does not keep; only `histobench.testing` raises it."""


class StoreError(HistobenchError, OSError):
    """Say that the output folder cannot be used."""


class WeightsError(HistobenchError):
    """Say that the weights of an encoder are not to be had, and where they were looked for."""


class UnknownNameError(ConfigError, KeyError):
    """Say that nothing goes by a name, and offer the nearest one."""

    def __str__(self) -> str:
        """Return the sentence itself; ``KeyError`` would show it in quotes."""
        return str(self.args[0])


def explain(error: BaseException) -> str:
    """Return an exception as one line of text: the message alone if it is ours, else with the name of its type."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 -- a stranger's __str__ may fail, too
        text = "it does not say what"
    return text if isinstance(error, HistobenchError) else f"{type(error).__name__}: {text}"


_SHOWN = 30
"""Names that an error lists; of genes or of all plugins there are too many to be read."""


def did_you_mean(kind: str, name: str, known: Iterable[str], *, where: str = "") -> UnknownNameError:
    """Build the error for a name that is not known.

    Parameters
    ----------
    kind
        What was looked for, in words: ``"method"``, ``"option of 'cuca'"``.
    name
        What was asked.
    known
        The names that would have been understood.
    where
        What it stands in, if the name alone does not say: a file, an option of the command line.
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    shown = names if len(names) <= _SHOWN else [*names[:_SHOWN], f"… ({len(names)} in all)"]
    there = f" Known: {', '.join(shown)}." if names else " There is none."
    place = f"{where}: " if where else ""
    return UnknownNameError(f"{place}no {kind} named {name!r}.{hint}{there}")
