"""Fuzz one decoder: python -m tests.soak.fuzz TARGET [options of libFuzzer] [CORPUS]

In: mutated bytes, by coverage (https://github.com/google/atheris). An error that the decoder does
not document ends the run with the input in a file, as does one input that takes longer than a
second per MiB. libFuzzer bounds the memory: -rss_limit_mb.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import Callable
from typing import Any

import atheris

with atheris.instrument_imports(include=["spantoll.otlp", "spantoll.receiver"]):
    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from spantoll.errors import BadRequest
    from spantoll.otlp import JSON, PROTOBUF, decode_logs, decode_traces, decompress
    from spantoll.receiver.limits import Limits
    from spantoll.receiver.protocol import BoundedProtocol

LIMIT_BYTES = 4 << 20
SECONDS_PER_MIB = 1.0
LEAST_S = 1.0
"""Of any input: a garbage collection or a busy machine takes its part of a small one."""


class Wire(asyncio.Transport):
    """What a protocol writes to; nothing of it is read."""

    def __init__(self) -> None:
        super().__init__()
        self._closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass

    def close(self) -> None:
        self._closing = True

    def abort(self) -> None:
        self._closing = True

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        pass


async def read_request(scope: Any, receive: Any, send: Any) -> None:
    """Read the body and answer, as the receiver does."""
    while (await receive()).get("more_body", False):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


LOOP = asyncio.new_event_loop()
CONFIG = Config(read_request, ws="none", lifespan="off", log_config=None, access_log=False)
CONFIG.load()


def decode_http(data: bytes) -> None:
    """Feed a connection, in two pieces, and let the application run."""

    async def feed() -> None:
        protocol = BoundedProtocol(CONFIG, ServerState(), {}, limits=Limits())
        wire = Wire()
        protocol.connection_made(wire)
        for part in (data[: len(data) // 2], data[len(data) // 2 :]):
            if part and not wire.is_closing():
                protocol.data_received(part)
            await asyncio.sleep(0)
        protocol.connection_lost(None)
        await asyncio.gather(*protocol.tasks, return_exceptions=True)

    LOOP.run_until_complete(feed())


TARGETS: dict[str, Callable[[bytes], object]] = {
    "protobuf": lambda data: decode_traces(data, content_type=PROTOBUF),
    "json": lambda data: decode_traces(data, content_type=JSON),
    "log_protobuf": lambda data: decode_logs(data, content_type=PROTOBUF),
    "log_json": lambda data: decode_logs(data, content_type=JSON),
    "gzip": lambda data: decompress(data, encoding="gzip", limit_bytes=LIMIT_BYTES),
    "http": decode_http,
}


def main() -> None:
    """Fuzz until the options of libFuzzer end it."""
    logging.disable(logging.CRITICAL)
    decode = TARGETS[sys.argv.pop(1)]

    def check(data: bytes) -> None:
        began_s = time.process_time()
        with contextlib.suppress(BadRequest):
            decode(data)
        took_s = time.process_time() - began_s
        if took_s > max(LEAST_S, SECONDS_PER_MIB * len(data) / (1 << 20)):
            raise TimeoutError(f"{len(data)} bytes took {took_s:.1f} s")

    atheris.Setup(sys.argv, check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
