"""OTLP requests in files: protobuf, JSON, or one JSON request a line, gzipped or not.

Input: a stream. Output: its requests one by one. Lines are those of the Collector's file exporter.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from typing import NamedTuple, cast

import orjson

from spantoll.otlp import JSON, PROTOBUF, MediaType

__all__ = ["StoredRequest", "read_requests"]

GZIP = b"\x1f\x8b"


class StoredRequest(NamedTuple):
    """One export request as it was kept."""

    body: bytes
    content_type: MediaType
    line: int | None
    """Where it stands in a file of JSON lines, from 1."""


def read_requests(stream: io.BufferedReader) -> Iterator[StoredRequest]:
    """Read the requests of a file one by one, recognising its form by its content."""
    if stream.peek(len(GZIP)).startswith(GZIP):
        stream = io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=stream)))
    before = b""
    for number, line in enumerate(stream, 1):
        if line.isspace():
            before += line
            continue
        if not line.lstrip().startswith(b"{"):
            yield StoredRequest(before + line + stream.read(), PROTOBUF, None)
        elif _is_json(line):
            yield StoredRequest(line, JSON, number)
            yield from _lines(stream, number)
        else:
            body = before + line + stream.read()
            # The one byte that begins JSON cannot begin a request in protobuf, but blank
            # space can: it is the tag of the only field.
            json = not before or _is_json(body)
            yield StoredRequest(body, JSON if json else PROTOBUF, None)
        return


def _lines(stream: io.BufferedReader, number: int) -> Iterator[StoredRequest]:
    for following, line in enumerate(stream, number + 1):
        if not line.isspace():
            yield StoredRequest(line, JSON, following)


def _is_json(body: bytes) -> bool:
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return True
