"""A gRPC client that sends prepared bytes on one connection: no library sends what it did not
compress itself, and compressing 60 MiB a thousand times takes ten minutes.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Iterator

from tests.receiver.conftest import EXPORT
from tests.receiver.test_grpc_wire import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    SETTINGS,
    frame,
    literal,
)

__all__ = ["Http2Connection"]

RST_STREAM, WINDOW_UPDATE, PING = 3, 8, 6
FRAME_BYTES = 16_384
WINDOW_BYTES = 65_535
HEADER_TABLE_SIZE = 1


class Http2Connection:
    """Calls one after the other, each a stream; messages fit into a new stream's window."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._buffer = b""
        self._stream = -1
        self._window = WINDOW_BYTES
        # Without a table of headers every status is spelled out.
        settings = frame(SETTINGS, 0, 0, struct.pack(">HI", HEADER_TABLE_SIZE, 0))
        self._socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings)
        self._frames = self._read_frames()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def call(self, message: bytes, *, encoding: str) -> int:
        """Send one compressed message; return the grpc-status."""
        self._stream += 2
        head = {
            ":method": "POST",
            ":scheme": "http",
            ":path": EXPORT,
            ":authority": "localhost",
            "te": "trailers",
            "content-type": "application/grpc",
            "grpc-encoding": encoding,
        }
        block = b"".join(literal(*pair) for pair in head.items())
        self._socket.sendall(frame(HEADERS, END_HEADERS, self._stream, block))
        body = b"\1" + struct.pack(">I", len(message)) + message
        if self._window < len(body):
            self._read_until_window(len(body))
        self._window -= len(body)
        parts = [body[at : at + FRAME_BYTES] for at in range(0, len(body), FRAME_BYTES)]
        for part in parts:
            end = END_STREAM if part is parts[-1] else 0
            self._socket.sendall(frame(DATA, end, self._stream, part))
        for kind, stream, content in self._frames:
            found = re.search(rb"grpc-status.(\d+)", content) if kind == HEADERS else None
            if stream == self._stream and found is not None:
                return int(found[1])
        raise ConnectionError("closed without a status")

    def _read_until_window(self, size_bytes: int) -> None:
        for _ in self._frames:
            if self._window >= size_bytes:
                return

    def _read_frames(self) -> Iterator[tuple[int, int, bytes]]:
        while True:
            head = self._read(9)
            size, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
            stream = int.from_bytes(head[5:], "big")
            content = self._read(size)
            if kind == WINDOW_UPDATE and stream == 0:
                self._window += int.from_bytes(content, "big")
            elif kind == SETTINGS and not flags & ACK:
                self._socket.sendall(frame(SETTINGS, ACK, 0))
            elif kind == PING and not flags & ACK:
                self._socket.sendall(frame(PING, ACK, 0, content))
            yield kind, stream, content

    def _read(self, size: int) -> bytes:
        while len(self._buffer) < size:
            chunk = self._socket.recv(65_536)
            if not chunk:
                raise ConnectionError("closed")
            self._buffer += chunk
        read, self._buffer = self._buffer[:size], self._buffer[size:]
        return read
