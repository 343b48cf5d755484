"""OTLP load: GenAI spans as instrumented services send them, over gRPC or HTTP.

    python benchmarks/load.py --http 127.0.0.1:4318 --spans 200000
    python benchmarks/load.py --grpc 127.0.0.1:4317 --connections 16 --batch 128
    python benchmarks/load.py --grpc 127.0.0.1:4317 --connections 1 --in-flight 10

One request holds calls of 20 models of 6 providers by 50 users in 4,000 sessions, 16 attributes
each and no content; 10 % of the calls have a parent that is no GenAI span, 3 % fail. Every request
has ids and times of its own, so nothing is a duplicate. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import math
import random
import socket
import statistics
import struct
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import grpc
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
MADE_BEFOREHAND = 400_000
"""Spans that are encoded before the clock starts; more are made while it runs."""
BODIES = 10_000
"""Different calls: enough for no cache of values to profit more than it does from users."""

MODELS: Mapping[tuple[str, str], Sequence[tuple[str, str, int]]] = {
    ("openai", "api.openai.com"): [
        ("gpt-4o-mini", "gpt-4o-mini-2024-07-18", 20),
        ("gpt-4o", "gpt-4o-2024-08-06", 10),
        ("gpt-4.1", "gpt-4.1-2025-04-14", 6),
        ("gpt-4.1-mini", "gpt-4.1-mini-2025-04-14", 8),
        ("o3-mini", "o3-mini-2025-01-31", 2),
        ("gpt-5", "gpt-5-2025-08-07", 6),
    ],
    ("anthropic", "api.anthropic.com"): [
        ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929", 12),
        ("claude-haiku-4-5", "claude-haiku-4-5-20251001", 8),
        ("claude-opus-4-1", "claude-opus-4-1-20250805", 2),
        ("claude-3-5-haiku-latest", "claude-3-5-haiku-20241022", 3),
    ],
    ("gcp.gemini", "generativelanguage.googleapis.com"): [
        ("gemini-2.5-flash", "gemini-2.5-flash", 6),
        ("gemini-2.5-pro", "gemini-2.5-pro", 3),
        ("gemini-2.0-flash", "gemini-2.0-flash", 2),
    ],
    ("aws.bedrock", "bedrock-runtime.us-east-1.amazonaws.com"): [
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", "claude-3-5-sonnet-20241022", 3),
        ("amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0", 1),
        ("meta.llama3-1-70b-instruct-v1:0", "meta.llama3-1-70b-instruct-v1:0", 1),
    ],
    ("mistral_ai", "api.mistral.ai"): [
        ("mistral-large-latest", "mistral-large-2411", 2),
        ("mistral-small-latest", "mistral-small-2503", 1),
    ],
    ("azure.ai.openai", "contoso.openai.azure.com"): [
        ("gpt-4o-prod", "gpt-4o-2024-08-06", 2),
        ("gpt-4o-mini-prod", "gpt-4o-mini-2024-07-18", 2),
    ],
}


class Choice(NamedTuple):
    provider: str
    host: str
    requested: str
    answered: str


CHOICES = [Choice(*key, model[0], model[1]) for key, models in MODELS.items() for model in models]
WEIGHTS = list(itertools.accumulate(model[2] for models in MODELS.values() for model in models))


class Call(NamedTuple):
    """What a span says besides ids and times, encoded."""

    tail: bytes
    duration_ns: int
    has_parent: bool


class Traffic:
    """Encoded requests without end: bodies repeat, ids and times never do."""

    def __init__(self, seed: int, *, batch: int, step_ns: int = 20_000) -> None:
        """`step_ns` is the time between the starts of two calls."""
        self._rng = rng = random.Random(seed)
        self._batch, self._step_ns = batch, step_ns
        self._calls = [call(rng) for _ in range(BODIES)]
        self._resources = [resource(number) for number in range(8)]
        self._now_ns = time.time_ns()
        self.calls = 0

    def request(self) -> bytes:
        """Encode the next request."""
        rng, calls = self._rng, self._calls
        spans: list[bytes] = []
        parents: list[bytes] = []
        random_bytes = rng.randbytes(40 * self._batch)
        at = 0
        while len(spans) + len(parents) < self._batch:
            tail, duration_ns, has_parent = calls[rng.randrange(BODIES)]
            ids = random_bytes[at : at + 40]
            at += 40
            self._now_ns += self._step_ns
            times = START_END.pack(0x39, self._now_ns, 0x41, self._now_ns + duration_ns)
            trace = b"\x0a\x10" + ids[:16]
            response_id = RESPONSE_ID + ids[28:].hex().encode()
            head = trace + b"\x12\x08" + ids[16:24] + times + response_id
            if has_parent and len(spans) + len(parents) + 2 <= self._batch:
                parent_id = b"\x12\x08" + ids[24:32]
                parents.append(delimited(2, trace + parent_id + times + PARENT))
                head += b"\x22\x08" + ids[24:32]
            spans.append(delimited(2, head + tail))
        self.calls += len(spans)
        scopes = delimited(2, SCOPE + b"".join(spans))
        if parents:
            scopes += delimited(2, PARENT_SCOPE + b"".join(parents))
        return delimited(1, self._resources[rng.randrange(8)] + scopes)


def call(rng: random.Random) -> Call:
    chosen = rng.choices(CHOICES, cum_weights=WEIGHTS)[0]
    span = Span(name=f"chat {chosen.requested}", kind=Span.SPAN_KIND_CLIENT)
    set_attributes(
        span,
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": chosen.provider,
            "gen_ai.request.model": chosen.requested,
            "server.address": chosen.host,
            "server.port": 443,
            "user.id": f"user-{rng.randrange(50):03d}",
            "enduser.id": f"user-{rng.randrange(50):03d}",
            "session.id": f"sess-{rng.randrange(4_000):05d}",
            "gen_ai.request.temperature": rng.choice([0.0, 0.2, 0.7, 1.0]),
            "gen_ai.request.max_tokens": rng.choice([256, 1_024, 4_096]),
        },
    )
    if rng.random() < 0.03:
        span.status.code = Status.STATUS_CODE_ERROR
        errors = ["RateLimitError", "APITimeoutError", "InternalServerError"]
        set_attributes(span, {"error.type": rng.choice(errors)})
    else:
        tokens = int(rng.lognormvariate(6.5, 1.0)) + 8
        set_attributes(
            span,
            {
                "gen_ai.response.model": chosen.answered,
                "gen_ai.response.finish_reasons": ["stop"],
                "gen_ai.usage.input_tokens": tokens,
                "gen_ai.usage.output_tokens": int(rng.lognormvariate(5.3, 0.9)) + 1,
                "gen_ai.usage.cache_read.input_tokens": tokens // 2 if rng.random() < 0.3 else 0,
            },
        )
    duration_ns = int(rng.lognormvariate(0.2, 0.7) * 1e9)
    return Call(span.SerializeToString(), duration_ns, rng.random() < 0.1)


def resource(number: int) -> bytes:
    described = Resource()
    set_attributes(
        described,
        {
            "service.name": f"svc-{number}",
            "service.namespace": "shop",
            "service.version": f"1.{number}.0",
            "service.instance.id": f"pod-{number}-7f9c",
            "deployment.environment.name": "production" if number % 3 else "staging",
            "host.name": f"node-{number}",
            "telemetry.sdk.language": "python",
            "telemetry.sdk.name": "opentelemetry",
            "telemetry.sdk.version": "1.45.2",
        },
    )
    return delimited(1, described.SerializeToString())


def set_attributes(target: Span | Resource, attributes: Mapping[str, object]) -> None:
    for key, content in attributes.items():
        value = target.attributes.add(key=key).value
        match content:
            case int():
                value.int_value = content
            case float():
                value.double_value = content
            case list():
                for item in content:
                    value.array_value.values.add(string_value=item)
            case _:
                value.string_value = str(content)


def scope(name: str, version: str) -> bytes:
    return delimited(1, InstrumentationScope(name=name, version=version).SerializeToString())


def delimited(field: int, content: bytes) -> bytes:
    """A length-delimited protobuf field."""
    size = len(content)
    if size < 0x80:
        return bytes((field << 3 | 2, size)) + content
    if size < 0x4000:
        return bytes((field << 3 | 2, size & 0x7F | 0x80, size >> 7)) + content
    length = bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes((field << 3 | 2, *length, size)) + content


def parent() -> bytes:
    span = Span(name="POST /v1/answer", kind=Span.SPAN_KIND_SERVER)
    set_attributes(
        span,
        {
            "http.request.method": "POST",
            "http.route": "/v1/answer",
            "url.scheme": "https",
            "http.response.status_code": 200,
        },
    )
    return span.SerializeToString()


def response_id() -> bytes:
    """The encoded attribute but for its last 24 characters."""
    span = Span()
    set_attributes(span, {"gen_ai.response.id": "chatcmpl-" + "x" * 24})
    return span.SerializeToString()[:-24]


START_END = struct.Struct("<BQBQ")
SCOPE = scope("opentelemetry.instrumentation.openai_v2", "2.4b0")
PARENT_SCOPE = scope("opentelemetry.instrumentation.fastapi", "0.66b2")
PARENT = parent()
RESPONSE_ID = response_id()


class Connection(Protocol):
    def send(self, body: bytes) -> bool:
        """Send one request; False asks for a resend."""


class HttpConnection:
    def __init__(self, target: str) -> None:
        self._connection = http.client.HTTPConnection(target)
        self._connection.connect()
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, body: bytes) -> bool:
        headers = {"Content-Type": "application/x-protobuf"}
        self._connection.request("POST", "/v1/traces", body, headers)
        response = self._connection.getresponse()
        response.read()
        if response.status not in (200, 503):
            raise RuntimeError(f"HTTP {response.status}")
        return response.status == 200


if TYPE_CHECKING:  # generic in the stubs only
    Export = grpc.UnaryUnaryMultiCallable[bytes, bytes]


class GrpcConnection:
    def __init__(self, target: str) -> None:
        # A pool of its own is what gives each channel a connection of its own.
        channel = grpc.insecure_channel(target, [("grpc.use_local_subchannel_pool", 1)])
        self._export: Export = channel.unary_unary(EXPORT)

    def send(self, body: bytes) -> bool:
        try:
            self._export(body, timeout=30)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            return False
        return True


class Sender(threading.Thread):
    """Sends one request after the other, or each after a pause of `interval_s` where it is not 0.

    These are exponential, from one beginning to the next: senders that know nothing of each other
    do not send at the same moment, and now and then they do.
    """

    def __init__(
        self, connection: Connection, bodies: Iterable[bytes], *, interval_s: float, seed: int
    ) -> None:
        super().__init__()
        self._connection = connection
        self._bodies = bodies
        self._interval_s = interval_s
        self._rng = random.Random(seed)
        self.latencies_s: list[float] = []
        self.resent = 0

    def run(self) -> None:
        due = time.perf_counter()
        for body in self._bodies:
            if self._interval_s:
                due += self._rng.expovariate(1 / self._interval_s)
                time.sleep(max(0.0, due - time.perf_counter()))
            started = time.perf_counter()
            while not self._connection.send(body):
                self.resent += 1
                time.sleep(0.1)
            self.latencies_s.append(time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--grpc", metavar="HOST:PORT")
    target.add_argument("--http", metavar="HOST:PORT")
    parser.add_argument("--spans", type=int, default=200_000)
    parser.add_argument("--batch", type=int, default=512, help="spans per request")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument(
        "--in-flight", type=int, default=1, help="requests at once, each connection"
    )
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--rate", type=int, default=0, help="at most so many spans a second")
    given = parser.parse_args()
    if given.http and given.in_flight > 1:
        parser.error("--in-flight: HTTP/1.1 has one request under way, use --connections")

    count = given.connections * given.in_flight
    requests = math.ceil(given.spans / given.batch / count)
    seeds = [given.seed * 1_000 + number for number in range(count)]
    traffics = [Traffic(seed, batch=given.batch) for seed in seeds]
    connections: list[Connection] = [
        GrpcConnection(given.grpc) if given.grpc else HttpConnection(given.http)
        for _ in range(given.connections)
    ]
    interval_s = given.batch * count / given.rate if given.rate else 0.0
    senders = []
    for number, traffic in enumerate(traffics):
        bodies: Iterable[bytes] = (traffic.request() for _ in range(requests))
        if given.spans <= MADE_BEFOREHAND:
            bodies = list(bodies)
        connection = connections[number % given.connections]
        senders.append(Sender(connection, bodies, interval_s=interval_s, seed=seeds[number]))
    started = time.perf_counter()
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    elapsed_s = time.perf_counter() - started

    latencies_s = sorted(itertools.chain(*(sender.latencies_s for sender in senders)))
    spans = len(latencies_s) * given.batch
    quantiles = statistics.quantiles(latencies_s, n=100)
    print(
        json.dumps(
            {
                "spans": spans,
                "calls": sum(traffic.calls for traffic in traffics),
                "seconds": round(elapsed_s, 3),
                "spans_per_s": round(spans / elapsed_s),
                "p50_ms": round(quantiles[49] * 1e3, 1),
                "p99_ms": round(quantiles[98] * 1e3, 1),
                "resent": sum(sender.resent for sender in senders),
            }
        )
    )


if __name__ == "__main__":
    main()
