from __future__ import annotations

import asyncio
import base64
import contextlib
import http.client
import json
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import grpc
import pytest
from google.protobuf import json_format
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spantoll.pipeline import make_settle
from spantoll.pricing import RateCard, load_rate_card
from spantoll.receiver import Limits, Receiver, ReceiverConfig
from spantoll.storage import Store, open_store

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
PROTOBUF = "application/x-protobuf"
JSON = "application/json"
START_NS = 1_750_000_000_000_000_000

COST_NANO = 450_000
"""1,000 input and 500 output tokens of gpt-4o-mini at 0.15 and 0.60 USD per million."""

HTTP_OUTCOMES = {200: "OK", 400: "BAD", 413: "TOO_LARGE", 503: "RETRY"}
GRPC_OUTCOMES = {
    grpc.StatusCode.OK: "OK",
    grpc.StatusCode.INVALID_ARGUMENT: "BAD",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "TOO_LARGE",
    grpc.StatusCode.UNAVAILABLE: "RETRY",
}


class Reply(NamedTuple):
    """An answer in the words of the fault matrix, which are the same for both transports."""

    outcome: str
    rejected: int = 0
    message: str = ""
    retry_after_s: float | None = None
    body: bytes = b""
    headers: Mapping[str, str] = {}


if TYPE_CHECKING:  # generic in the stubs only
    Export = grpc.UnaryUnaryMultiCallable[bytes, bytes]
else:
    Export = grpc.UnaryUnaryMultiCallable


def value(content: Any) -> AnyValue:
    match content:
        case bool():
            return AnyValue(bool_value=content)
        case int():
            return AnyValue(int_value=content)
        case float():
            return AnyValue(double_value=content)
        case bytes():
            return AnyValue(bytes_value=content)
        case list():
            wrapped = AnyValue()
            wrapped.array_value.values.extend(map(value, content))
            return wrapped
        case _:
            return AnyValue(string_value=content)


def chat(number: int, *, start_ns: int = START_NS, **attributes: Any) -> Span:
    """A priced call; `number` makes its ids, `gen_ai__x__y=` sets or (None) removes a key."""
    keys = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.usage.input_tokens": 1_000,
        "gen_ai.usage.output_tokens": 500,
    } | {key.replace("__", "."): content for key, content in attributes.items()}
    return Span(
        trace_id=(number // 8 + 1).to_bytes(16, "big"),
        span_id=(number + 1).to_bytes(8, "big"),
        name="chat gpt-4o-mini",
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=start_ns,
        end_time_unix_nano=start_ns + 800_000_000,
        attributes=[KeyValue(key=k, value=value(v)) for k, v in keys.items() if v is not None],
    )


def plain(number: int) -> Span:
    """A span that has nothing to do with GenAI."""
    return Span(
        trace_id=(1).to_bytes(16, "big"),
        span_id=(number + 1).to_bytes(8, "big"),
        name="GET /cart",
        start_time_unix_nano=START_NS,
        end_time_unix_nano=START_NS + 5_000_000,
        attributes=[KeyValue(key="http.request.method", value=value("GET"))],
    )


def request(*spans: Span) -> ExportTraceServiceRequest:
    export = ExportTraceServiceRequest()
    resource = export.resource_spans.add()
    resource.resource.attributes.append(KeyValue(key="service.name", value=value("shop")))
    scope = resource.scope_spans.add()
    scope.scope.name = "opentelemetry.instrumentation.openai_v2"
    scope.spans.extend(spans)
    return export


def as_json(export: ExportTraceServiceRequest) -> bytes:
    """OTLP/JSON: ids in hex, enums as numbers."""

    def hexed(node: Any) -> Any:
        if isinstance(node, dict):
            return {
                key: base64.b64decode(item).hex() if key.endswith("Id") else hexed(item)
                for key, item in node.items()
            }
        return [hexed(item) for item in node] if isinstance(node, list) else node

    return json.dumps(
        hexed(json_format.MessageToDict(export, use_integers_for_enums=True))
    ).encode()


PATIENCE_S = 120.0
"""Longer than anything here takes: what has not come by then will not come."""


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("waited in vain")
        time.sleep(0.001)


def local(**config: Any) -> ReceiverConfig:
    """A configuration that listens on free ports of this machine."""
    return ReceiverConfig(**{"grpc": "127.0.0.1:0", "http": "127.0.0.1:0"} | config)


class Running:
    """A receiver on its own loop and thread, and the clients of both transports."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self._stopping = threading.Event()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        if not self._started.wait(PATIENCE_S):
            raise TimeoutError("the receiver did not start")
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.grpc_port}")

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        bound = await self.receiver.start()
        assert bound.grpc is not None
        assert bound.http is not None
        self.grpc_port, self.http_port = bound.grpc, bound.http
        self._started.set()
        await self._stop.wait()
        await self.receiver.stop(grace_s=5)

    def stop(self) -> None:
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(PATIENCE_S)
        self.channel.close()
        if self._thread.is_alive():
            raise TimeoutError("the receiver did not stop")

    def grpc(
        self, body: bytes, *, timeout_s: float = PATIENCE_S, method: str = EXPORT, **call: Any
    ) -> Reply:
        export: Export = self.channel.unary_unary(method)
        try:
            answer, rpc = export.with_call(body, timeout=timeout_s, **call)
        except grpc.RpcError as error:
            return refused(error)
        assert rpc.code() is grpc.StatusCode.OK
        partial = ExportTraceServiceResponse.FromString(answer).partial_success
        return Reply("OK", partial.rejected_spans, partial.error_message, body=answer)

    def http(
        self,
        body: bytes | Iterable[bytes],
        *,
        path: str = "/v1/traces",
        method: str = "POST",
        **headers: str,
    ) -> Reply:
        """Keyword arguments are headers, content_type and content_encoding for example."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            connection.request(
                method, path, body, {k.replace("_", "-"): v for k, v in headers.items()}
            )
            response = connection.getresponse()
            return replied(response.status, dict(response.getheaders()), response.read())

    def http_protobuf(self, body: bytes, **headers: str) -> Reply:
        return self.http(body, **{"content_type": PROTOBUF} | headers)

    def http_json(self, body: bytes, **headers: str) -> Reply:
        return self.http(body, **{"content_type": JSON} | headers)

    def send(self, transport: str, export: ExportTraceServiceRequest) -> Reply:
        """Send a well-formed request over grpc, http_protobuf or http_json."""
        if transport == "http_json":
            return self.http_json(as_json(export))
        body = export.SerializeToString()
        return self.grpc(body) if transport == "grpc" else self.http_protobuf(body)


def refused(error: Any) -> Reply:
    trailers = dict(error.trailing_metadata() or ())
    details = status_pb2.Status.FromString(trailers.get("grpc-status-details-bin", b""))
    code = error.code()
    retry_after_s = None
    if "google.rpc.retryinfo-bin" in trailers:
        info = error_details_pb2.RetryInfo.FromString(trailers["google.rpc.retryinfo-bin"])
        assert [info] == unpacked_retry_infos(details)
        assert details.code == code.value[0]
        retry_after_s = info.retry_delay.ToTimedelta().total_seconds()
    return Reply(GRPC_OUTCOMES.get(code, code.name), 0, error.details() or "", retry_after_s)


def replied(status: int, headers: dict[str, str], body: bytes) -> Reply:
    headers = {name.lower(): content for name, content in headers.items()}
    outcome = HTTP_OUTCOMES.get(status, str(status))
    is_json = headers["content-type"] == JSON
    if status == 200:
        answer = ExportTraceServiceResponse()
        if is_json:
            json_format.Parse(body, answer)
        else:
            answer.ParseFromString(body)
        partial = answer.partial_success
        return Reply("OK", partial.rejected_spans, partial.error_message, None, body, headers)
    details = status_pb2.Status()
    if is_json:
        json_format.Parse(body, details)
    else:
        assert headers["content-type"] == PROTOBUF
        details.ParseFromString(body)
    retry_after_s = None
    if outcome == "RETRY":
        retry_after_s = float(headers["retry-after"])
        assert retry_after_s >= 1
        assert len(unpacked_retry_infos(details)) == 1
    return Reply(outcome, 0, details.message, retry_after_s, body, headers)


def unpacked_retry_infos(details: status_pb2.Status) -> list[error_details_pb2.RetryInfo]:
    infos = []
    for packed in details.details:
        info = error_details_pb2.RetryInfo()
        if packed.Unpack(info):
            infos.append(info)
    return infos


class Rows:
    """What is in the database, read beside the receiver."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def select(self, what: str, where: str = "1") -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(
                f"SELECT {what} FROM usage_record WHERE {where} ORDER BY span_id"
            ).fetchall()

    def count(self) -> int:
        return int(self.select("count(*)")[0][0])

    def span_ids(self) -> list[bytes]:
        return [span_id for (span_id,) in self.select("span_id")]


@pytest.fixture(scope="session")
def rate_card() -> RateCard:
    return load_rate_card()


@pytest.fixture
def rows(tmp_path: Path, empty_ledger: Path) -> Rows:
    return Rows(Path(shutil.copy(empty_ledger, tmp_path / "ledger.db")))


@pytest.fixture
def database(rows: Rows) -> str:
    return f"sqlite:///{rows.path}"


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    store = open_store(database)
    yield store
    store.close()


@pytest.fixture
def start(store: Store, rate_card: RateCard) -> Iterator[Callable[..., Running]]:
    """Start a receiver on free ports with other limits than the default."""
    started: list[Running] = []

    def start(on: Store = store, **limits: float) -> Running:
        config = local(limits=Limits(**limits))  # type: ignore[arg-type]
        receiver = Receiver(on, rate_card, config, settle=make_settle(rate_card))
        started.append(Running(receiver))
        return started[-1]

    yield start
    for running in started:
        running.stop()


@pytest.fixture
def running(start: Callable[..., Running]) -> Running:
    return start()


class Process:
    """A receiver in a process of its own, for faults that a process does not survive."""

    def __init__(
        self, database: str, prelude: str = "", tokens: Sequence[str] = (), *, workers: int = 1
    ) -> None:
        program = f"""
import json, sys
{prelude}
from spantoll.pipeline import make_settle
from spantoll.pricing import load_rate_card
from spantoll.receiver import ReceiverConfig, Tokens, run

def ready(receiver, bound):
    print(json.dumps(bound), flush=True)

config = ReceiverConfig(
    grpc="127.0.0.1:0", http="127.0.0.1:0", tokens=Tokens({list(tokens)!r}), workers={workers}
)
card = load_rate_card()
sys.exit(run({database!r}, config, rate_card=card, settle=make_settle(card), ready=ready))
"""
        self.popen = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        assert self.popen.stdout is not None
        self.grpc_port, self.http_port = json.loads(self.popen.stdout.readline())

    def end(self) -> None:
        self.popen.kill()
        self.popen.communicate()


@pytest.fixture
def spawn(database: str) -> Iterator[Callable[..., Process]]:
    spawned: list[Process] = []

    def spawn(prelude: str = "", tokens: Sequence[str] = (), *, workers: int = 1) -> Process:
        spawned.append(Process(database, prelude, tokens, workers=workers))
        return spawned[-1]

    yield spawn
    for process in spawned:
        process.end()
