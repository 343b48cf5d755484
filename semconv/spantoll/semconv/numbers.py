from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

__all__ = ["INT64", "decimal", "integer", "mapping", "texts", "unquoted"]

INT64 = 2**63 - 1
LONGEST_JSON = 1 << 20


def integer(value: object) -> int | None:
    """Read a counter: integers, integral floats and their text; None for anything else.

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
    """Read an amount of money or time exactly as it was written; never negative."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = Decimal(str(value)[:64])
    except InvalidOperation:
        return None
    return number if number.is_finite() and number >= 0 else None


def mapping(value: object) -> Mapping[str, object]:
    """Read a mapping that came as one, as JSON text, or as the repr of a Python dict."""
    value = unquoted(value)
    if isinstance(value, Mapping):
        return value
    if isinstance(value, str) and value[:1] == "{" and len(value) <= LONGEST_JSON:
        try:
            found = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}
    return {}


def texts(value: object) -> tuple[str, ...]:
    """Read finish reasons: a list, JSON text of a list, or one word."""
    value = unquoted(value) if isinstance(value, str) and value[:1] in '["' else value
    if isinstance(value, str):
        return (value,) if value else ()
    if isinstance(value, list | tuple):
        return tuple(item for item in value if isinstance(item, str))
    return ()


def unquoted(value: object) -> object:
    """Decode JSON text (MLflow writes every attribute so); anything else stays as it is."""
    if not isinstance(value, str) or value[:1] not in '"{[' or len(value) > LONGEST_JSON:
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
