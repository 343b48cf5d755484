from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from spantoll.otlp.wire import DELIMITED, END_GROUP, FIXED32, FIXED64, START_GROUP, VARINT, varint

__all__ = ["Extent", "delimited", "extents", "header"]

FIXED = {FIXED64: 8, FIXED32: 4}


Extent = tuple[int, int, int, int]
"""Where one field of a message lies: its tag, its first byte, its content, its end."""


def extents(message: bytes) -> Iterator[Extent]:
    """Walk the fields of an encoded message that was decoded before; together they are all of it.

    An unknown group is one extent. Raises Malformed, or yields less, on what is not protobuf.
    """
    at, end = 0, len(message)
    depth, begun = 0, 0
    while at < end:
        start = at
        tag = message[at]
        if tag < 0x80:
            at += 1
        else:
            tag, at = varint(message, at)
        content = at
        kind = tag & 7
        if kind == DELIMITED:
            size = message[at] if at < end else 0x80
            if size < 0x80:
                content = at + 1
            else:
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
            yield tag, start, content, at


def delimited(tag: int, content: bytes) -> bytes:
    """Encode a length-delimited field; `tag` includes the wire type."""
    return header(tag, len(content)) + content


@lru_cache(maxsize=4096)
def header(tag: int, size: int) -> bytes:
    """Encode what stands before the content of such a field."""
    return _number(tag) + _number(size)


def _number(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
