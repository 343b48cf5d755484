"""Encoded KeyValues -> attributes as a plain dict, by opentelemetry-proto's common.proto.

Almost all attributes repeat from span to span, so what an encoded KeyValue decodes to is kept in a
bounded memo. What is repaired is noted in `flaws`: text that is not UTF-8, a key sent twice, values
that nest too deeply.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Final, cast

from spantoll.otlp import text
from spantoll.otlp.wire import fields, varint
from spantoll.semconv.dialect import AttributeValue

__all__ = [
    "DUPLICATE",
    "MAX_DEPTH",
    "STRINDEX",
    "TOO_DEEP",
    "Pair",
    "TooDeep",
    "any_value",
    "attributes",
    "keep_first",
]

MAX_DEPTH: Final = 64
"""Levels of array and kvlist inside one attribute; what nests deeper is not read at all."""

DUPLICATE: Final = "duplicate_attribute"
STRINDEX: Final = "string_table_index"
TOO_DEEP: Final = "too_deep"

Pair = tuple[str, AttributeValue]

MAX_ENTRIES: Final = 16_384
MAX_ENTRY_BYTES: Final = 256
"""Bounds of the memos: entries of a generation, and bytes of an entry."""

UNREPEATED: Final = frozenset(
    {
        *("gen_ai.response.id", "response.id", "ai.response.id"),
        *("spantoll.request.id", "anthropic.request.id", "aws.request_id", "request_id"),
        *("litellm.call_id", "langfuse.observation.metadata.id"),
    }
)
"""Keys of ids that differ in every span, by the tables of `semconv.dialects`: no memo keeps them,
because they would displace what repeats."""

KEY, VALUE, KEY_INDEX, ITEM = 0x0A, 0x12, 0x18, 0x0A
"""Tags of KeyValue, and of what repeats in ArrayValue and KeyValueList."""


class Kind:
    """Tags of AnyValue's oneof."""

    STRING: Final = 0x0A
    BOOL: Final = 0x10
    INT: Final = 0x18
    DOUBLE: Final = 0x21
    ARRAY: Final = 0x2A
    KVLIST: Final = 0x32
    BYTES: Final = 0x3A
    STRING_INDEX: Final = 0x40


MERGED: Final = frozenset({Kind.ARRAY, Kind.KVLIST})
KINDS: Final = MERGED | {
    Kind.STRING, Kind.BOOL, Kind.INT, Kind.DOUBLE, Kind.BYTES, Kind.STRING_INDEX
}  # fmt: skip


DOUBLE: Final = struct.Struct("<d")


class TooDeep(ValueError):
    """Raised when an attribute nests deeper than `MAX_DEPTH`."""


class _Flawed(ValueError):
    """Raised when an attribute has a flaw, which a memo cannot note again for the next span."""


def attributes(raws: Sequence[bytes], flaws: list[str]) -> dict[str, AttributeValue]:
    """Decode encoded KeyValues; the first of a key wins. Raises Malformed."""
    try:
        found = dict(map(_read, raws))
    except _Flawed:
        pass
    else:
        if len(found) == len(raws):
            return found
    return keep_first((_read_key_value(memoryview(raw), flaws, 0) for raw in raws), flaws)


def any_value(raw: bytes, flaws: list[str]) -> AttributeValue:
    """Decode one encoded AnyValue, such as the body of a log record. Raises Malformed."""
    try:
        return _read_value(memoryview(raw), flaws, 0)
    except TooDeep:
        flaws.append(TOO_DEEP)
        return None


def keep_first(pairs: Iterable[Pair | None], flaws: list[str]) -> dict[str, AttributeValue]:
    """Keep the first value of each key, a case OTLP leaves open, and note that there were more."""
    found: dict[str, AttributeValue] = {}
    for pair in pairs:
        if pair is None:
            continue
        key, value = pair
        if key in found:
            flaws.append(DUPLICATE)
        else:
            found[key] = value
    return found


class _Memo(dict[bytes, Pair]):
    """Encoded KeyValue -> key and value: most of them repeat from one span to the next.

    Two generations bound it: a full one becomes the old one, and entries that are used again move
    over. Only what has no flaw is kept, so one memo serves every thread.
    """

    __slots__ = ("_old",)

    def __init__(self) -> None:
        super().__init__()
        self._old: dict[bytes, Pair] = {}

    def __missing__(self, raw: bytes) -> Pair:
        pair = self._old.get(raw) or _read_scalar(raw) or _read_any(raw)
        if len(raw) <= MAX_ENTRY_BYTES and pair[0] not in UNREPEATED:
            if len(self) >= MAX_ENTRIES:
                self._old = dict(self)
                self.clear()
            self[raw] = pair
        return pair


class _Keys(dict[bytes, str]):
    """Encoded key -> the one str for it."""

    def __missing__(self, raw: bytes) -> str:
        flaws: list[str] = []
        key = text.from_bytes(raw, flaws)
        if flaws:
            raise _Flawed
        if len(self) < MAX_ENTRIES:
            self[raw] = key
        return key


_keys = _Keys()
_memo = _Memo()
_read = _memo.__getitem__


def _read_scalar(raw: bytes) -> Pair | None:
    """Decode the shapes almost every attribute has: a key, then one scalar and nothing else."""
    try:
        size, at = len(raw), raw[1] + 2  # of the value
        if raw[0] != KEY or at >= 0x82 or raw[at] != VALUE:
            return None
        room, at = (raw[at + 1], at + 2) if raw[at + 1] < 0x80 else varint(raw, at + 1)
        if at + room != size:
            return None
        kind, head = raw[at], raw[at + 1]
        if kind == Kind.STRING:
            room, begin = (head, at + 2) if head < 0x80 else varint(raw, at + 1)
            if begin + room != size:
                return None
            value = raw[begin:].decode()
            return None if "\0" in value else (_keys[raw[2 : raw[1] + 2]], value)
        key = _keys[raw[2 : raw[1] + 2]]
        if kind == Kind.INT and raw[-1] < 0x80:
            if room == 2:
                return key, head
            if room == 3 and head >= 0x80:
                return key, head & 0x7F | raw[-1] << 7
            if room == 4 and head >= 0x80 <= raw[-2]:
                return key, head & 0x7F | (raw[-2] & 0x7F) << 7 | raw[-1] << 14
        elif kind == Kind.DOUBLE and room == 9:
            return key, cast("float", DOUBLE.unpack_from(raw, size - 8)[0])
        elif kind == Kind.BOOL and room == 2 and head < 0x80:
            return key, head != 0
    except (IndexError, UnicodeDecodeError):
        pass
    return None


def _read_any(raw: bytes) -> Pair:
    flaws: list[str] = []
    pair = _read_key_value(memoryview(raw), flaws, 0)
    if pair is None or flaws:
        raise _Flawed
    return pair


def _read_key_value(encoded: memoryview, flaws: list[str], depth: int) -> Pair | None:
    key, by_index = b"", False
    values: list[memoryview] = []
    for tag, _, content in fields(encoded):
        if tag == KEY:
            key = bytes(content)
        elif tag == VALUE:
            values.append(content)
        elif tag == KEY_INDEX:
            by_index = True
    if by_index and not key:
        # Only profiles carry the table the index points into: the key is absent.
        flaws.append(STRINDEX)
        return None
    try:
        value = _read_value(_merge_parts(values), flaws, depth)
    except TooDeep:
        if depth:
            raise
        flaws.append(TOO_DEEP)
        value = None
    return text.from_bytes(key, flaws), value


def _read_value(encoded: memoryview, flaws: list[str], depth: int) -> AttributeValue:
    if depth > MAX_DEPTH:
        raise TooDeep
    kind, number = 0, 0
    contents: list[memoryview] = []
    for tag, scalar, content in fields(encoded):
        if tag in KINDS:
            if tag != kind or tag not in MERGED:
                contents = []  # the last member of a oneof wins
            contents.append(content)
            kind, number = tag, scalar
    match kind:
        case Kind.STRING:
            return text.from_bytes(bytes(contents[0]), flaws)
        case Kind.BOOL:
            return number != 0
        case Kind.INT:
            return number - (1 << 64) if number >> 63 else number
        case Kind.DOUBLE:
            return cast("float", DOUBLE.unpack(number.to_bytes(8, "little"))[0])
        case Kind.ARRAY:
            inner = fields(_merge_parts(contents))
            return tuple(
                _read_value(item, flaws, depth + 1) for tag, _, item in inner if tag == ITEM
            )
        case Kind.KVLIST:
            inner = fields(_merge_parts(contents))
            pairs = (
                _read_key_value(item, flaws, depth + 1) for tag, _, item in inner if tag == ITEM
            )
            return keep_first(pairs, flaws)
        case Kind.BYTES:
            return bytes(contents[0])
        case Kind.STRING_INDEX:
            flaws.append(STRINDEX)
    return None


def _merge_parts(parts: Sequence[memoryview]) -> memoryview:
    """Merge a message that was sent in parts: their bytes in a row (protobuf's merge rule)."""
    return parts[0] if len(parts) == 1 else memoryview(b"".join(parts))
