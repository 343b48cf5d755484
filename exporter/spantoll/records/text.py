"""JSON that every database can store and read.

Input: attributes, extra units, assumptions. Output: JSON text with sorted keys, bounded where a
sender decides how long it is.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from spantoll.otlp.text import from_str as repair_text

__all__ = ["bounded_json", "to_json"]

LONGEST = 16_384
LONGEST_VALUE = 1_024


def to_json(content: object) -> str:
    """Write JSON with sorted keys that every database can store and read. Total."""
    try:
        text = orjson.dumps(content, default=str, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        # A lone surrogate or an integer beyond 64 bits.
        text = b""
    # PostgreSQL cannot read U+0000 out of JSON.
    if not text or b"\\u0000" in text:
        text = orjson.dumps(_repair_content(content), option=orjson.OPT_SORT_KEYS)
    return text.decode()


def bounded_json(mapping: Mapping[str, object]) -> tuple[str, bool]:
    """As `to_json`, and whether something had to be left out.

    Beyond 16,384 characters long values are cut, then the last keys dropped.
    """
    text = to_json(mapping)
    if len(text) <= LONGEST:
        return text, False
    kept: dict[str, object] = {}
    left = LONGEST
    for key in sorted(mapping):
        value = mapping[key]
        if isinstance(value, str):
            value = value[:LONGEST_VALUE]
        left -= len(to_json({key: value}))
        if left < 0:
            break
        kept[key] = value
    return to_json(kept), True


def _repair_content(content: object) -> object:
    if isinstance(content, Mapping):
        return {
            str(_repair_content(str(key))): _repair_content(value) for key, value in content.items()
        }
    if isinstance(content, tuple | list):
        return [_repair_content(each) for each in content]
    if isinstance(content, bool | float) or content is None:
        return content
    if isinstance(content, int) and abs(content) < 2**63:
        return content
    return repair_text(str(content), [])
