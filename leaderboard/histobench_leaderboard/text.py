"""Formatting of numbers on the site."""

import math

__all__ = ["duration", "memory", "number", "signed"]

_MINUS = "−"  # the minus sign, which is as wide as a plus sign


def number(value: float | None, digits: int = 3) -> str:
    """Format a score."""
    if value is None or not math.isfinite(value):
        return "undefined"
    text = f"{value:.{digits}f}" if abs(value) < 1000 else f"{value:.{digits + 1}g}"
    if float(text) == 0:
        text = text.removeprefix("-")  # zero has no sign
    return text.replace("-", _MINUS)


def signed(value: float | None) -> str:
    """Format a difference, with its sign."""
    text = number(value)
    return text if text == "undefined" or text.startswith(_MINUS) else f"+{text}"


def duration(seconds: float) -> str:
    """Format a time with two significant parts: ``0.4 s``, ``48 s``, ``3 min 20 s``, ``1 h 05 min``."""
    if not math.isfinite(seconds):
        return "unknown"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def memory(mebibytes: float) -> str:
    """Format an amount of memory."""
    return f"{mebibytes:.0f} MiB" if mebibytes < 1024 else f"{mebibytes / 1024:.1f} GiB"
