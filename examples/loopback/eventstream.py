"""AWS event stream encoding: application/vnd.amazon.eventstream.

Prelude of total length, length of the headers and their CRC; headers; payload; CRC of it all
(smithy.io/2.0/aws/amazon-eventstream.html).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator
from typing import Any
from zlib import crc32

from loopback.wire import Reply

__all__ = ["stream"]

STRING = 7


def stream(messages: Iterable[tuple[str, Any]]) -> Reply:
    """Answer with one frame for each (event type, payload); a type that ends in Exception fails."""
    return Reply(_frames(messages), content_type="application/vnd.amazon.eventstream")


def _frames(messages: Iterable[tuple[str, Any]]) -> Iterator[bytes]:
    for kind, payload in messages:
        failed = kind.endswith("Exception")
        names = {
            ":message-type": "exception" if failed else "event",
            ":exception-type" if failed else ":event-type": kind,
            ":content-type": "application/json",
        }
        headers = b"".join(_header(name, value) for name, value in names.items())
        body = json.dumps(payload).encode()
        prelude = struct.pack(">II", 16 + len(headers) + len(body), len(headers))
        prelude += struct.pack(">I", crc32(prelude))
        message = prelude + headers + body
        yield message + struct.pack(">I", crc32(message))


def _header(name: str, value: str) -> bytes:
    text = value.encode()
    return struct.pack(f">B{len(name)}sBH", len(name), name.encode(), STRING, len(text)) + text
