"""What a gRPC library will not send: frames made by hand."""

from __future__ import annotations

import contextlib
import gzip
import re
import socket
import struct

import pytest

from tests.receiver.conftest import EXPORT, Rows, Running, chat, request

DATA, HEADERS, SETTINGS = 0, 1, 4
END_STREAM, END_HEADERS, ACK = 1, 4, 1
INTERNAL = 13


def frame(kind: int, flags: int, stream: int, content: bytes = b"") -> bytes:
    return struct.pack(">I", len(content))[1:] + struct.pack(">BBI", kind, flags, stream) + content


def literal(name: str, content: str) -> bytes:
    """One header, literal and never indexed: HPACK without tables and Huffman codes."""
    return b"\0" + b"".join(bytes([len(part)]) + part.encode() for part in (name, content))


def call(port: int, message: bytes, *, encoding: str) -> int:
    """Send one message flagged as compressed; answers with the grpc-status."""
    head = {
        ":method": "POST",
        ":scheme": "http",
        ":path": EXPORT,
        ":authority": "localhost",
        "te": "trailers",
        "content-type": "application/grpc",
        "grpc-encoding": encoding,
    }
    with contextlib.closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as sock:
        sock.sendall(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            + frame(SETTINGS, 0, 0)
            + frame(HEADERS, END_HEADERS, 1, b"".join(literal(*pair) for pair in head.items()))
            + frame(DATA, END_STREAM, 1, b"\1" + struct.pack(">I", len(message)) + message)
        )
        received = b""
        while (found := re.search(rb"grpc-status.(\d+)", received)) is None:
            chunk = sock.recv(65_536)
            assert chunk, "closed without a status"
            received += chunk
    return int(found[1])


PACKED = gzip.compress(request(chat(1)).SerializeToString())


def test_a_handmade_call_is_a_call(running: Running, rows: Rows) -> None:
    status = call(running.grpc_port, PACKED, encoding="gzip")

    assert status == 0
    assert rows.count() == 1


@pytest.mark.parametrize(
    ("message", "encoding", "status"),
    [
        pytest.param(PACKED[:-12], "gzip", INTERNAL, id="row4-truncated"),
        pytest.param(b"never compressed", "gzip", INTERNAL, id="row4-not-gzip"),
        pytest.param(PACKED, "zstd", INTERNAL, id="row9-zstd"),
        pytest.param(PACKED, "snappy", INTERNAL, id="row9-snappy"),
    ],
)
def test_a_message_that_cannot_be_unpacked_is_refused_for_good(
    running: Running, rows: Rows, message: bytes, encoding: str, status: int
) -> None:
    refused = call(running.grpc_port, message, encoding=encoding)

    accepted = running.grpc(request(chat(2)).SerializeToString())
    assert refused == status
    assert accepted.outcome == "OK"
    assert rows.count() == 1
