from __future__ import annotations

import contextlib
import http.server
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest
import urllib3
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from sqlalchemy import create_engine

from spantoll.forward import Forwarder, Retry, Target
from spantoll.forward.split import count_spans

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
PATIENCE_S = 180.0
"""Longer than any condition here takes to become true."""

Sinks = Callable[[str], Any]
Make = Callable[..., Forwarder]

SOON = Retry(first_s=0.001, longest_s=0.002)
NEVER = 1_000
"""Answers of a target that takes nothing for the whole test."""
DISK_BYTES = 1 << 20
CUT_OFF = "cut off"
"""An answer that ends in the middle, with its connection."""


def wait_until(condition: Callable[[], object], *, patience_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not so within {patience_s:g} s")
        time.sleep(0.01)


def free_port() -> int:
    """A port of 127.0.0.1 where nobody listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Arrived(NamedTuple):
    body: bytes
    headers: Mapping[str, str]


class Sink:
    """A backend that records raw bytes; `answers` are given first, then OK. None is OK."""

    def __init__(self) -> None:
        self.arrived: list[Arrived] = []
        self.answers: list[Any] = []
        self.attempts = 0
        self.open = threading.Event()
        """While it is cleared, the backend does not answer."""
        self.open.set()
        self.url = ""
        self.stop: Callable[[], Any] = lambda: None

    def bodies(self) -> list[bytes]:
        return [each.body for each in self.arrived]

    def answer(self, arrived: Arrived) -> Any:
        self.attempts += 1
        self.open.wait(PATIENCE_S)
        if self.answers and (answer := self.answers.pop(0)) is not None:
            return answer
        self.arrived.append(arrived)
        return None


def http_sink(port: int = 0, given: Sink | None = None) -> Sink:
    sink = given or Sink()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): content for name, content in self.headers.items()}
            answer = sink.answer(Arrived(body, headers))
            if answer == CUT_OFF:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\0")
                self.close_connection = True
                return
            self.send_response(answer or 200)
            if answer in (429, 503):
                self.send_header("Retry-After", "0")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sink.url = f"http://127.0.0.1:{server.server_port}"

    def stop() -> None:
        server.shutdown()
        server.server_close()

    sink.stop = stop
    return sink


def throttled(*, retry_info: bool) -> tuple[tuple[str, bytes], ...]:
    """Trailers of a RESOURCE_EXHAUSTED that may be retried, or not."""
    details = status_pb2.Status(code=grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])
    if retry_info:
        packed = any_pb2.Any()
        packed.Pack(error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(nanos=1)))
        details.details.append(packed)
    return (("grpc-status-details-bin", details.SerializeToString()),)


def grpc_sink() -> Sink:
    sink = Sink()

    def export(body: bytes, context: Any) -> bytes:
        headers = dict(context.invocation_metadata())
        if (answer := sink.answer(Arrived(body, headers))) is not None:
            code, trailers = answer
            context.set_trailing_metadata(trailers)
            context.abort(code, "by the test")
        return b""

    handler = grpc.method_handlers_generic_handler(
        "opentelemetry.proto.collector.trace.v1.TraceService",
        {"Export": grpc.unary_unary_rpc_method_handler(export)},
    )
    server = grpc.server(ThreadPoolExecutor(2), handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sink.url = f"grpc://127.0.0.1:{port}"
    sink.stop = lambda: server.stop(None).wait()
    return sink


@pytest.fixture
def sinks() -> Iterator[Callable[[str], Sink]]:
    made: list[Sink] = []

    def make(transport: str) -> Sink:
        made.append(http_sink() if transport == "http" else grpc_sink())
        return made[-1]

    yield make
    for sink in made:
        sink.stop()


class Up:
    """A real `spantoll up`."""

    def __init__(self, database: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "spantoll", "up", "--database", f"sqlite:///{database}"),
                *("--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", *arguments),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.printed: list[tuple[str, str]] = []
        assert self.process.stdout
        for line in self.process.stdout:
            topic, _, rest = line.strip().partition(" ")
            self.printed.append((topic, rest.strip()))
            if topic == "See":
                break
        known = dict(self.printed)
        self.http = known["OTLP/HTTP"].split()[0]
        self.grpc = known["OTLP/gRPC"].removeprefix("http://")

    def send(
        self, body: bytes, content_type: str = "application/x-protobuf", **headers: str
    ) -> int:
        answer = urllib3.request(
            "POST",
            f"{self.http}/v1/traces",
            body=body,
            headers={"content-type": content_type, **headers},
            timeout=20,
            retries=False,
        )
        return answer.status

    def send_rpc(self, body: bytes) -> None:
        with grpc.insecure_channel(self.grpc) as channel:
            export: Any = channel.unary_unary(EXPORT)
            export(body, timeout=20, metadata=(("authorization", "Bearer caller"),))

    def end(self) -> str:
        self.process.terminate()
        return self.process.communicate(timeout=PATIENCE_S)[1]


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    started: list[Up] = []

    def start(*arguments: str) -> Up:
        started.append(Up(tmp_path / "ledger.db", *arguments))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.communicate()


@pytest.fixture
def wait() -> Callable[[Callable[[], object]], None]:
    return wait_until


@pytest.fixture(name="throttled")
def throttled_trailers() -> Callable[[bool], Any]:
    return lambda retry_info: throttled(retry_info=retry_info)


def request(count: int, name: str = "x" * 100) -> bytes:
    export = ExportTraceServiceRequest()
    spans = export.resource_spans.add().scope_spans.add().spans
    for number in range(1, count + 1):
        spans.add(trace_id=b"t" * 16, span_id=number.to_bytes(8, "big"), name=name)
    return export.SerializeToString()


def arrived(sink: Any) -> list[int]:
    return [
        int.from_bytes(span.span_id, "big")
        for body in sink.bodies()
        for group in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]


def forward(forwarder: Forwarder, body: bytes) -> Any:
    return forwarder(
        body,
        content_type="application/x-protobuf",
        tenant="default",
        keys=[],
        spans=count_spans(body),
        hops="",
    )


def counts(forwarder: Forwarder) -> Any:
    (found,) = forwarder.counts().values()
    return found


@pytest.fixture
def make() -> Iterator[Make]:
    """Start forwarders that do not pause long; they end with the test."""
    made: list[Forwarder] = []
    prices = create_engine("sqlite://")

    def make(*urls: str, **how: Any) -> Forwarder:
        targets = [Target.parse(url) for url in urls]
        how = {"retry": SOON, **how}
        made.append(Forwarder(targets, prices, **how))
        return made[-1]

    yield make
    for forwarder in made:
        forwarder.close(budget_s=0)
    prices.dispose()


class Disk:
    """A mounted file system of DISK_BYTES."""

    def __init__(self, path: Path) -> None:
        self.queue = path / "queue"
        self._filler = path / "filler"

    def fill(self) -> None:
        """Leave no byte free."""
        with self._filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"\0" * 4096):
                pass

    def free(self) -> None:
        self._filler.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    mounted = tmp_path / "disk"
    mounted.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(mounted)]
    mounting = subprocess.run(command, check=False, capture_output=True, text=True)
    if mounting.returncode:
        reason = f"a small file system needs root on Linux: {mounting.stderr}"
        if os.environ.get("CI"):
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    yield Disk(mounted)
    subprocess.run(["umount", "--lazy", str(mounted)], check=True)
