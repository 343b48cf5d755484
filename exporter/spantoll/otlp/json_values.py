"""Attributes in OTLP/JSON -> a plain dict, the same as `attributes` makes of protobuf.

A value that is none of its kind becomes None with the flaw `invalid_value`: the span stays, and a
counter that cannot be read is unknown.
"""

from __future__ import annotations

import math
import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any, Final

from spantoll.errors import BadRequest
from spantoll.otlp import text
from spantoll.otlp.attributes import (
    MAX_DEPTH,
    STRINDEX,
    TOO_DEEP,
    Pair,
    TooDeep,
    keep_first,
)
from spantoll.otlp.wire import Malformed
from spantoll.semconv.dialect import AttributeValue

__all__ = ["INVALID_VALUE", "Object", "any_value", "attributes", "integer"]

INVALID_VALUE: Final = "invalid_value"

Object = Mapping[str, Any]

SPECIAL: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
MAX_DIGITS: Final = 19
"""Digits of 2**63; a number of fewer needs no look at its size."""

NUMBER: Final = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][-+]?[0-9]{1,5})?")


def attributes(owner: Object, flaws: list[str]) -> dict[str, AttributeValue]:
    """Decode the attributes of a span, an event, a resource. Raises Malformed, BadRequest."""
    found = owner.get("attributes")
    if found is None:
        return {}
    if isinstance(found, dict):
        # A mistake of hand-written exporters, in all of their spans: langfuse/langfuse#15707.
        raise BadRequest('attributes must be a list of {"key": ..., "value": ...}, not an object')
    if not isinstance(found, list):
        raise Malformed("attributes is not a list")
    pairs = [_read_scalar(each) or _read_key_value(each, flaws, 0) for each in found]
    values = dict(filter(None, pairs))
    return values if len(values) == len(pairs) else keep_first(pairs, flaws)


def any_value(found: object, flaws: list[str]) -> AttributeValue:
    """Decode one AnyValue, such as the body of a log record."""
    try:
        return _read_value(found, flaws, 0)
    except TooDeep:
        flaws.append(TOO_DEEP)
        return None


def integer(found: object) -> int:
    """Read a 64-bit integer: a number, its text, or an integral 1e3. Raises ValueError."""
    if isinstance(found, str):
        if found.isdecimal() and len(found) <= MAX_DIGITS:
            return int(found)
        if NUMBER.fullmatch(found):
            found = int(found) if found.lstrip("-").isdecimal() else float(found)
    if type(found) is int:
        return found
    if isinstance(found, float) and found.is_integer():
        return int(found)
    raise ValueError("not an integer")


def _read_scalar(found: Any) -> Pair | None:
    """Decode the shapes almost every attribute has: plain text or a small number, nothing else."""
    try:
        key = found["key"]
        [(kind, content)] = found["value"].items()
        if "\0" in key or not key.isascii():
            return None
        if kind == "stringValue":
            return (key, content) if content.isascii() and "\0" not in content else None
        if kind == "intValue" and type(content) is str:
            plain = content.isdecimal() and len(content) < MAX_DIGITS
            return (key, int(content)) if plain else None
        if kind == "doubleValue" and type(content) is float:
            return key, content
    except (KeyError, TypeError, ValueError, AttributeError):
        pass
    return None


def _read_key_value(found: object, flaws: list[str], depth: int) -> Pair | None:
    if not isinstance(found, dict):
        raise Malformed("an attribute is not an object")
    key = found.get("key")
    if key is None:
        if "keyStrindex" in found:
            flaws.append(STRINDEX)
            return None
        key = ""
    elif type(key) is not str:
        raise Malformed("an attribute key is not a string")
    try:
        value = _read_value(found.get("value"), flaws, depth)
    except TooDeep:
        if depth:
            raise
        flaws.append(TOO_DEEP)
        value = None
    return text.from_str(key, flaws), value


def _read_value(found: object, flaws: list[str], depth: int) -> AttributeValue:
    if depth > MAX_DEPTH:
        raise TooDeep
    if found is None:
        return None
    if not isinstance(found, dict):
        flaws.append(INVALID_VALUE)
        return None
    value: AttributeValue = None
    for kind, content in found.items():  # as in protobuf, the last member of the oneof wins
        if content is None:
            continue
        if kind == "stringValue" and isinstance(content, str):
            value = text.from_str(content, flaws)
        elif kind in SCALARS:
            try:
                value = SCALARS[kind](content)
            except (ValueError, OverflowError):
                flaws.append(INVALID_VALUE)
                value = None
        elif kind == "arrayValue":
            value = tuple([_read_value(each, flaws, depth + 1) for each in _list(content, flaws)])
        elif kind == "kvlistValue":
            pairs = [_read_key_value(each, flaws, depth + 1) for each in _list(content, flaws)]
            value = keep_first(pairs, flaws)
        elif kind == "stringValueStrindex":
            flaws.append(STRINDEX)
            value = None
    return value


def _list(content: object, flaws: list[str]) -> list[object]:
    values = content.get("values", []) if isinstance(content, dict) else None
    if isinstance(values, list):
        return values
    flaws.append(INVALID_VALUE)
    return []


def _string(found: object) -> str:
    raise ValueError("not a string")


def _bool(found: object) -> bool:
    if not isinstance(found, bool):
        raise ValueError("not a boolean")
    return found


def _int64(found: object) -> int:
    number = integer(found)
    if not -(2**63) <= number < 2**63:
        raise ValueError("beyond 64 bits")
    return number


def _double(found: object) -> float:
    if isinstance(found, str):
        if found in SPECIAL:
            return SPECIAL[found]
        if NUMBER.fullmatch(found):
            return float(found)
    elif isinstance(found, float | int) and not isinstance(found, bool):
        return float(found)
    raise ValueError("not a number")


def _bytes(found: object) -> bytes:
    if not isinstance(found, str):
        raise ValueError("not base64")
    # proto3 JSON: either alphabet, with or without padding.
    plain = found.rstrip("=").replace("-", "+").replace("_", "/")
    return b64decode(plain + "=" * (-len(plain) % 4), validate=True)


SCALARS: Final[Mapping[str, Callable[[object], AttributeValue]]] = {
    "stringValue": _string,
    "boolValue": _bool,
    "intValue": _int64,
    "doubleValue": _double,
    "bytesValue": _bytes,
}
