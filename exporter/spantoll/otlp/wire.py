"""The protobuf wire format, for messages that are read field by field: attributes and their values.

Input: the bytes of one message. Output: tag, number and content of each field, in order
(protobuf.dev/programming-guides/encoding).
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["Malformed", "fields", "varint"]

VARINT, FIXED64, DELIMITED, START_GROUP, END_GROUP, FIXED32 = range(6)

_NOTHING = memoryview(b"")


class Malformed(ValueError):
    """Raised when one item can never be read; the message is the reason sent back."""


def fields(buffer: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Walk the protobuf fields of one message: tag, unsigned number, content as a view, no copy.

    Groups are stepped over, as unknown fields must be. Raises Malformed where protobuf would.
    """
    at, end = 0, len(buffer)
    groups: list[int] = []
    while at < end:
        tag, at = varint(buffer, at)
        kind, field = tag & 7, tag >> 3
        if field == 0 or tag > 0xFFFF_FFFF:
            raise Malformed("malformed attribute: field number")
        number, content = 0, _NOTHING
        if kind == DELIMITED:
            size, at = varint(buffer, at)
            content, at = _take(buffer, at, size)
        elif kind == VARINT:
            number, at = varint(buffer, at)
        elif kind in (FIXED64, FIXED32):
            fixed, at = _take(buffer, at, 8 if kind == FIXED64 else 4)
            number = int.from_bytes(fixed, "little")
        elif kind == START_GROUP:
            groups.append(field)
            continue
        elif kind == END_GROUP and groups and groups.pop() == field:
            continue
        else:
            raise Malformed("malformed attribute: wire type")
        if not groups:
            yield tag, number, content
    if groups:
        raise Malformed("malformed attribute: open group")


def varint(buffer: bytes | memoryview, at: int) -> tuple[int, int]:
    """Read one variable-length number: the number, and where the next field begins."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(buffer):
            raise Malformed("malformed attribute: truncated number")
        byte = buffer[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
    raise Malformed("malformed attribute: overlong number")


def _take(buffer: memoryview, at: int, size: int) -> tuple[memoryview, int]:
    end = at + size
    if end > len(buffer):
        raise Malformed("malformed attribute: truncated field")
    return buffer[at:end], end
