"""Conversions of what SDKs return to what an attribute holds.

Each takes a value that is there and returns the attribute's value, or None for no attribute.
"""

from __future__ import annotations

from collections.abc import Sized
from typing import Any

__all__ = [
    "as_list",
    "as_wire",
    "count_items",
    "lower_name",
    "positive",
    "unless_one",
    "whole_milliseconds",
]


def as_list(value: Any) -> Any:
    """Return a string, or an enumeration of strings, as a list of one; a list as it is."""
    plain = getattr(value, "value", value)
    return (plain,) if isinstance(plain, str) else plain


def as_wire(value: Any) -> Any:
    """Return what the caller passed as the wire has it: models of the SDK become dicts."""
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(exclude_none=True, mode="json")
    return [as_wire(item) for item in value] if isinstance(value, list | tuple) else value


def count_items(items: Sized) -> int | None:
    """Count the items of a list; None for an empty one."""
    return len(items) or None


def positive(count: Any) -> int | None:
    """Return a count as an integer; None for 0, which is what most SDKs write for "not used"."""
    return int(count) or None


def unless_one(count: Any) -> int | None:
    """Return the number of choices asked for; None for 1, the default."""
    return count if isinstance(count, int) and count != 1 else None


def whole_milliseconds(seconds: Any) -> int | None:
    """Return seconds, a number or a text, as whole milliseconds; None for 0."""
    return round(float(seconds) * 1000) or None


def lower_name(value: Any) -> str | None:
    """Return an enumeration or a string in lower case."""
    plain = getattr(value, "value", value)
    return plain.lower() if isinstance(plain, str) else None
