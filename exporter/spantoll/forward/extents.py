from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from spantoll.otlp.wire import DELIMITED, END_GROUP, FIXED32, FIXED64, START_GROUP, VARINT, varint

__all__ = ["Extent", "delimited", "extents"]

FIXED = {FIXED64: 8, FIXED32: 4}


class Extent(NamedTuple):
    """Where one field of a message lies: its tag, its first byte, its content, its end."""

    tag: int
    start: int
    content: int
    end: int


def extents(message: bytes) -> Iterator[Extent]:
    """Walk the fields of an encoded message that was decoded before; together they are all of it.

    An unknown group is one extent. Raises Malformed, or yields less, on what is not protobuf.
    """
    at, end = 0, len(message)
    depth, begun = 0, 0
    while at < end:
        start = at
        tag, at = varint(message, at)
        content = at
        kind = tag & 7
        if kind == DELIMITED:
            size, content = varint(message, at)
            at = content + size
        elif kind == VARINT:
            _, at = varint(message, at)
        elif kind in FIXED:
            at += FIXED[kind]
        elif kind == START_GROUP:
            begun = begun if depth else start
            depth += 1
            continue
        elif kind == END_GROUP:
            depth -= 1
            start = begun
        if not depth:
            yield Extent(tag, start, content, at)


def delimited(tag: int, content: bytes) -> bytes:
    """Encode a length-delimited field; `tag` includes the wire type."""
    return _number(tag) + _number(len(content)) + content


def _number(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
