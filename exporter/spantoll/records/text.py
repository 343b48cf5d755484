from __future__ import annotations

from collections.abc import Mapping

import orjson

__all__ = ["bounded_json", "storable", "to_json"]

LONGEST = 16_384
LONGEST_VALUE = 1_024

REPLACEMENT = "\ufffd"


def storable(text: str, flaws: list[str]) -> str:
    """Replace what databases refuse, NUL and lone surrogates, and note it in `flaws`.

    Decoding has done so already; calls that come over REST or from Python pass here first.
    """
    if "\0" in text:
        flaws.append("nul_character")
        text = text.replace("\0", REPLACEMENT)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            flaws.append("invalid_utf8")
            text = text.encode(errors="surrogatepass").decode(errors="replace")
    return text


def to_json(content: object) -> str:
    """Write JSON with sorted keys that every database can store and read. Total."""
    try:
        text = orjson.dumps(content, default=str, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        # A lone surrogate or an integer beyond 64 bits.
        text = b""
    # PostgreSQL cannot read U+0000 out of JSON.
    if not text or b"\\u0000" in text:
        text = orjson.dumps(_without_flaws(content), option=orjson.OPT_SORT_KEYS)
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


def _without_flaws(content: object) -> object:
    if isinstance(content, Mapping):
        return {
            str(_without_flaws(str(key))): _without_flaws(value) for key, value in content.items()
        }
    if isinstance(content, tuple | list):
        return [_without_flaws(each) for each in content]
    if isinstance(content, bool | float) or content is None:
        return content
    if isinstance(content, int) and abs(content) < 2**63:
        return content
    return storable(str(content), [])
