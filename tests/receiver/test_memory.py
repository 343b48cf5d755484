"""What is refused must not stay in memory: neither bytes on the wire nor what they inflate to."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import threading
from collections.abc import Callable, Iterator, Sequence

import grpc
import psutil
import pytest

from spantoll.errors import BadRequest, StoreUnavailable
from spantoll.receiver.reading import MessageReader
from tests.receiver.conftest import (
    EXPORT,
    PATIENCE_S,
    PROTOBUF,
    Process,
    Running,
    chat,
    request,
)

CALLS = 40
READ_CALLS = 8
"""Of bodies that have to be read, and of those that take the test long to compress."""
BODY = bytes(60 << 20)
RESIDENT_BYTES = 300_000_000
"""Three times what an idle receiver holds; two bodies kept by mistake are more."""

GUARDED = ("secret-of-the-shop",)


def send_over_grpc(process: Process, calls: int, *, packed: bool) -> set[str]:
    codes = set()
    options = [("grpc.max_send_message_length", -1)]
    compression = grpc.Compression.Gzip if packed else grpc.Compression.NoCompression
    with grpc.insecure_channel(f"127.0.0.1:{process.grpc_port}", options) as channel:
        export: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(EXPORT)
        for _ in range(READ_CALLS if packed else calls):
            with pytest.raises(grpc.RpcError) as refused:
                export(BODY, timeout=60, compression=compression)
            codes.add(refused.value.code().name)
    return codes


def send_over_http(process: Process, calls: int, *, packed: bool) -> set[str]:
    sent = gzip.compress(BODY) if packed else BODY
    headers = {"Content-Type": PROTOBUF} | ({"Content-Encoding": "gzip"} if packed else {})
    codes = set()
    for _ in range(calls):
        connection = http.client.HTTPConnection("127.0.0.1", process.http_port, timeout=60)
        connection.request("POST", "/v1/traces", sent, headers)
        response = connection.getresponse()
        response.read()
        connection.close()
        codes.add(str(response.status))
    return codes


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    ("send", "tokens", "calls", "code"),
    [
        pytest.param(send_over_grpc, GUARDED, CALLS, "UNAUTHENTICATED", id="grpc-no-token"),
        pytest.param(send_over_http, GUARDED, CALLS, "401", id="http-no-token"),
        pytest.param(send_over_grpc, (), READ_CALLS, "INVALID_ARGUMENT", id="grpc-bad"),
        pytest.param(send_over_http, (), READ_CALLS, "400", id="http-bad"),
    ],
)
def test_large_bodies_that_are_refused_leave_memory(
    spawn: Callable[..., Process],
    send: Callable[..., set[str]],
    tokens: Sequence[str],
    calls: int,
    code: str,
    packed: bool,
) -> None:
    process = spawn(tokens=tokens)

    codes = send(process, calls, packed=packed)

    assert codes == {code}
    assert psutil.Process(process.popen.pid).memory_info().rss < RESIDENT_BYTES


class Upload:
    """A gRPC call whose message arrives when `arrive` is set."""

    def __init__(self) -> None:
        self.arrive = asyncio.Event()

    async def read(self) -> bytes:
        await self.arrive.wait()
        return b"message"


def reader(*, resident_bytes: int, body_s: float = 20.0) -> MessageReader:
    return MessageReader(body_s=body_s, memory_bytes=1_000, resident_bytes=lambda: resident_bytes)


async def test_while_memory_is_short_only_the_oldest_upload_goes_on() -> None:
    uploads = [Upload() for _ in range(4)]
    reading = reader(resident_bytes=1_001)
    tasks = [asyncio.ensure_future(reading.read(upload)) for upload in uploads]  # type: ignore[arg-type]

    refused = await asyncio.gather(*tasks[1:], return_exceptions=True)
    uploads[0].arrive.set()

    assert [type(error) for error in refused] == [StoreUnavailable] * 3
    assert await tasks[0] == b"message"


async def test_while_there_is_memory_slow_uploads_go_on() -> None:
    uploads = [Upload() for _ in range(4)]
    reading = reader(resident_bytes=999)
    tasks = [asyncio.ensure_future(reading.read(upload)) for upload in uploads]  # type: ignore[arg-type]

    await asyncio.sleep(0.1)
    for upload in uploads:
        upload.arrive.set()

    assert await asyncio.gather(*tasks) == [b"message"] * 4


async def test_an_upload_that_never_ends_is_refused() -> None:
    with pytest.raises(StoreUnavailable, match="did not arrive"):
        await reader(resident_bytes=0, body_s=0.05).read(Upload())  # type: ignore[arg-type]


async def test_a_call_without_a_message_is_bad() -> None:
    class Empty:
        async def read(self) -> object:
            return grpc.aio.EOF

    with pytest.raises(BadRequest, match="no message"):
        await reader(resident_bytes=0).read(Empty())  # type: ignore[arg-type]


def test_a_message_that_does_not_arrive_is_refused_and_hurts_no_other(
    start: Callable[..., Running],
) -> None:
    running = start(body_s=0.3)
    answered = threading.Event()

    def never() -> Iterator[bytes]:
        answered.wait(PATIENCE_S)
        yield from ()

    export: grpc.StreamUnaryMultiCallable[bytes, bytes] = running.channel.stream_unary(EXPORT)
    with pytest.raises(grpc.RpcError) as refused:
        export(never(), timeout=20)
    answered.set()

    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert running.grpc(request(chat(1)).SerializeToString()).outcome == "OK"
