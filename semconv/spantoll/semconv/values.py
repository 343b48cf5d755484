"""Converters of raw attribute values: typed value in, None where it is unknown or of no use.

Emitters write numbers as text, lists as JSON, and mappings as JSON or the repr of a Python dict.
No converter raises on any value.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

__all__ = [
    "INT64",
    "decimal",
    "flag",
    "identifier",
    "integer",
    "mapping",
    "nanoseconds",
    "text",
    "texts",
    "true",
    "unquoted",
]

INT64 = 2**63 - 1
MAX_JSON_CHARS = 1 << 20
MAX_SECONDS = 1_000_000


def integer(value: object) -> int | None:
    """Convert a counter: an integer, an integral float or the text of one.

    A counter is never negative, and databases keep it in signed 64 bits.
    """
    if type(value) is int:
        return value if 0 <= value <= INT64 else None
    if isinstance(value, float):
        return int(value) if value.is_integer() and 0 <= value <= INT64 else None
    if isinstance(value, str) and len(value) <= 24:
        try:
            return integer(int(value))
        except ValueError:
            number = decimal(value)
            if number is not None and number == number.to_integral_value():
                return integer(int(number))
    return None


def decimal(value: object) -> Decimal | None:
    """Convert an amount of money or time exactly as it was written; never negative."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        number = Decimal(str(value)[:64])
    except InvalidOperation:
        return None
    return number if number.is_finite() and number >= 0 else None


def nanoseconds(seconds: object) -> int | None:
    """Convert seconds to nanoseconds; None from MAX_SECONDS on."""
    number = decimal(seconds)
    return int(number * 1_000_000_000) if number is not None and number < MAX_SECONDS else None


def text(value: object) -> str | None:
    """Return a string that is not empty."""
    return value if isinstance(value, str) and value else None


def identifier(value: object) -> str | None:
    """Convert an id or name of a person, team or service: text, or an integer as text."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None


def flag(value: object) -> bool | None:
    """Convert a boolean, or its text in any case."""
    if isinstance(value, bool):
        return value
    return value.lower() == "true" if isinstance(value, str) else None


def true(value: object) -> bool | None:
    """Convert as `flag` does; False is None, for fields that default to False."""
    return flag(value) or None


def mapping(value: object) -> Mapping[str, object]:
    """Convert a mapping, its JSON text, or the repr of a Python dict; empty where it is none."""
    value = unquoted(value)
    if isinstance(value, Mapping):
        return value
    if isinstance(value, str) and value[:1] == "{" and len(value) <= MAX_JSON_CHARS:
        try:
            found = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}
    return {}


def texts(value: object) -> tuple[str, ...]:
    """Convert finish reasons: a list, JSON text of a list, or one word."""
    value = unquoted(value) if isinstance(value, str) and value[:1] in '["' else value
    if isinstance(value, str):
        return (value,) if value else ()
    if isinstance(value, list | tuple):
        return tuple(item for item in value if isinstance(item, str))
    return ()


def unquoted(value: object) -> object:
    """Decode JSON text (MLflow writes every attribute so); anything else stays as it is."""
    if not isinstance(value, str) or value[:1] not in '"{[' or len(value) > MAX_JSON_CHARS:
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
