from __future__ import annotations

from collections.abc import Iterator

from spantoll.forward.annotate import CHILD
from spantoll.forward.extents import delimited, extents

__all__ = ["split"]

FRAME = 16
"""Tag and length of an enclosing message, at most; rounded up."""


def split(body: bytes, limit_bytes: int) -> list[bytes]:
    """Divide a request into requests no larger than the limit, each span in one of them.

    By resource, then by scope, then by span; each part repeats the resource and scope it needs. A
    single span that is larger goes alone, for the target to refuse.
    """
    return list(_parts(body, limit_bytes, 0))


def _parts(message: bytes, limit_bytes: int, depth: int) -> Iterator[bytes]:
    if len(message) <= limit_bytes or depth == len(CHILD):
        yield message
        return
    head, children = b"", []
    for tag, start, content, end in extents(message):
        if tag == CHILD[depth]:
            children.append(message[content:end])
        else:
            head += message[start:end]
    if not children:
        yield message
        return
    budget = limit_bytes - len(head)
    chunk: list[bytes] = []
    size = 0
    for child in children:
        for part in _parts(child, budget - FRAME, depth + 1):
            encoded = delimited(CHILD[depth], part)
            if chunk and size + len(encoded) > budget:
                yield head + b"".join(chunk)
                chunk, size = [], 0
            chunk.append(encoded)
            size += len(encoded)
    yield head + b"".join(chunk)
