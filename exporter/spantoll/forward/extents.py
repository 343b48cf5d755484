"""Protobuf's wire format without its schema: where each field lies, and how one is encoded.

Spans are changed without decoding them, so that unknown fields arrive as they came
(https://protobuf.dev/programming-guides/encoding/).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from spantoll.otlp.wire import DELIMITED, END_GROUP, FIXED32, FIXED64, START_GROUP, VARINT, varint

__all__ = ["FieldExtent", "encode_field", "encode_field_header", "iterate_fields"]

FIXED = {FIXED64: 8, FIXED32: 4}

FieldExtent = tuple[int, int, int, int]
"""Where one field of a message lies: its tag, its first byte, its content, its end."""


def iterate_fields(message: bytes) -> Iterator[FieldExtent]:
    """Walk the fields of an encoded message that was decoded before; together they are all of it.

    An unknown group is one extent. Raises Malformed, or yields less, on what is not protobuf.
    """
    position, end = 0, len(message)
    depth, group_start = 0, 0
    while position < end:
        start = position
        tag = message[position]
        if tag < 0x80:
            position += 1
        else:
            tag, position = varint(message, position)
        content = position
        wire_type = tag & 7
        if wire_type == DELIMITED:
            size = message[position] if position < end else 0x80
            if size < 0x80:
                content = position + 1
            else:
                size, content = varint(message, position)
            position = content + size
        elif wire_type == VARINT:
            _, position = varint(message, position)
        elif wire_type in FIXED:
            position += FIXED[wire_type]
        elif wire_type == START_GROUP:
            group_start = group_start if depth else start
            depth += 1
            continue
        elif wire_type == END_GROUP:
            depth -= 1
            start = group_start
        if not depth:
            yield tag, start, content, position


def encode_field(tag: int, content: bytes) -> bytes:
    """Encode a length-delimited field; `tag` includes the wire type."""
    return encode_field_header(tag, len(content)) + content


@lru_cache(maxsize=4096)
def encode_field_header(tag: int, size: int) -> bytes:
    """Encode the tag and the length of a length-delimited field."""
    return _encode_varint(tag) + _encode_varint(size)


def _encode_varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
