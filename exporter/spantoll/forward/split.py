"""A request of spans that is too large for a target, divided into requests that are not.

Divided by resource, then scope, then span; a part repeats the resource and scope it needs and holds
consecutive spans, so that a number of spans identifies the sent parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from spantoll.forward.annotate import CHILD, SPANS
from spantoll.forward.extents import encode_field, iterate_fields

__all__ = ["Part", "count_spans", "skip_spans", "split_request"]

FRAME = 16
"""Tag and length of an enclosing message, at most; rounded up."""


class Part(NamedTuple):
    """A request of its own."""

    body: bytes
    spans: int


def split_request(body: bytes, limit_bytes: int, *, spans: int, skip: int = 0) -> Iterator[Part]:
    """Divide a request that holds `spans` spans, without its first `skip`.

    A single span above the limit goes alone, for the target to refuse.
    """
    if skip:
        body = skip_spans(body, skip)
        spans -= skip
    if len(body) <= limit_bytes:
        yield Part(body, spans)
        return
    for part in _parts(body, limit_bytes, 0):
        yield Part(part, count_spans(part))


def count_spans(body: bytes) -> int:
    """Count the spans of an encoded request."""
    return _count(body, 0)


def skip_spans(body: bytes, count: int) -> bytes:
    """Leave out the first spans of a request, and resources and scopes that hold no others."""
    return _skip(body, count, 0)[0]


def _count(message: bytes, depth: int) -> int:
    if depth == len(CHILD):
        return 1
    return sum(
        _count(message[content:end] if depth < SPANS else b"", depth + 1)
        for tag, _, content, end in iterate_fields(message)
        if tag == CHILD[depth]
    )


def _skip(message: bytes, count: int, depth: int) -> tuple[bytes, int]:
    """Return the rest of a message and the number of spans left out."""
    chunks: list[bytes] = []
    copied = skipped = 0
    for tag, start, content, end in iterate_fields(message):
        if skipped == count:
            break
        if tag != CHILD[depth]:
            continue
        chunks.append(message[copied:start])
        copied = end
        if depth == SPANS:
            skipped += 1
            continue
        child, less = _skip(message[content:end], count - skipped, depth + 1)
        skipped += less
        if _count(child, depth + 1):
            chunks.append(encode_field(tag, child))
    chunks.append(message[copied:])
    return b"".join(chunks), skipped


def _parts(message: bytes, limit_bytes: int, depth: int) -> Iterator[bytes]:
    if len(message) <= limit_bytes or depth == len(CHILD):
        yield message
        return
    head, children = b"", []
    for tag, start, content, end in iterate_fields(message):
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
            encoded = encode_field(CHILD[depth], part)
            if chunk and size + len(encoded) > budget:
                yield head + b"".join(chunk)
                chunk, size = [], 0
            chunk.append(encoded)
            size += len(encoded)
    yield head + b"".join(chunk)
