from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spantoll.errors import ConfigurationError
from spantoll.forward import Retry, Target, read_headers, read_targets
from tests.forward.conftest import SOON, Make, Sinks, counts, forward

RESOURCE_EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED


def request(*numbers: int) -> bytes:
    export = ExportTraceServiceRequest()
    spans = export.resource_spans.add().scope_spans.add().spans
    for number in numbers:
        spans.add(trace_id=b"t" * 16, span_id=number.to_bytes(8, "big"), name="x" * 100)
    return export.SerializeToString()


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_retryable_http_answers_are_tried_again(
    make: Make, sinks: Sinks, wait: Any, status: int
) -> None:
    sink = sinks("http")
    sink.answers = [status, status]
    forwarder = make(sink.url)

    forward(forwarder, request(1))
    wait(lambda: counts(forwarder).forwarded)

    assert sink.bodies() == [request(1)]
    assert (sink.attempts, counts(forwarder).retried, counts(forwarder).dropped) == (3, 2, 0)


@pytest.mark.parametrize("status", [400, 401, 404, 413, 500])
def test_other_http_errors_drop_only_that_request(
    make: Make, sinks: Sinks, wait: Any, status: int
) -> None:
    sink = sinks("http")
    sink.answers = [status]
    forwarder = make(sink.url)

    forward(forwarder, request(1))
    forward(forwarder, request(2))
    wait(lambda: counts(forwarder).forwarded)

    assert sink.bodies() == [request(2)]
    assert (sink.attempts, counts(forwarder).dropped, counts(forwarder).queue_bytes) == (2, 1, 0)


@pytest.mark.parametrize(
    ("code", "retry_info", "arrives"),
    [
        (grpc.StatusCode.UNAVAILABLE, False, True),
        (grpc.StatusCode.ABORTED, False, True),
        (RESOURCE_EXHAUSTED, True, True),
        (RESOURCE_EXHAUSTED, False, False),
        (grpc.StatusCode.INVALID_ARGUMENT, True, False),
        (grpc.StatusCode.UNAUTHENTICATED, False, False),
    ],
)
def test_grpc_codes_are_tried_again_as_otlp_says(
    make: Make,
    sinks: Sinks,
    wait: Any,
    throttled: Callable[[bool], Any],
    code: grpc.StatusCode,
    retry_info: bool,
    arrives: bool,
) -> None:
    sink = sinks("grpc")
    sink.answers = [(code, throttled(retry_info))]
    forwarder = make(sink.url)

    forward(forwarder, request(1))
    wait(lambda: counts(forwarder).waiting == 0)

    assert sink.bodies() == ([request(1)] if arrives else [])
    assert (counts(forwarder).forwarded, counts(forwarder).dropped) == (arrives, not arrives)


def test_the_queue_is_bounded_and_refuses_what_is_new(make: Make, sinks: Sinks, wait: Any) -> None:
    sink = sinks("http")
    patient = Retry(first_s=0.01, longest_s=0.01)
    size = len(request(1))
    sink.answers = [503] * 1_000
    forwarder = make(sink.url, queue_bytes=3 * size, retry=patient)

    for number in range(1, 11):
        forward(forwarder, request(number))
    down = counts(forwarder)
    sink.answers = []
    wait(lambda: counts(forwarder).forwarded == 3)

    assert (down.waiting, down.queue_bytes, down.dropped) == (3, 3 * size, 7)
    assert sink.bodies() == [request(1), request(2), request(3)]


def test_a_request_is_given_up_when_its_time_is_over(make: Make, wait: Any) -> None:
    forwarder = make("http://127.0.0.1:9", retry=SOON._replace(give_up_s=0))

    forward(forwarder, request(1))
    wait(lambda: counts(forwarder).dropped)

    assert (counts(forwarder).dropped, counts(forwarder).queue_bytes) == (1, 0)


def test_a_request_that_cannot_be_converted_is_dropped_alone(
    make: Make, sinks: Sinks, wait: Any
) -> None:
    sink = sinks("http")
    forwarder = make(sink.url)
    lenient = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":1,"traceId":"zz"}]}]}]}'

    forwarder(lenient, content_type="application/json", tenant="default", keys=[], spans=1, hops="")
    forward(forwarder, request(2))
    wait(lambda: counts(forwarder).forwarded)

    assert sink.bodies() == [request(2)]
    assert (counts(forwarder).dropped, counts(forwarder).dropped_spans) == (1, 1)


def test_a_target_that_is_down_delays_no_other(make: Make, sinks: Sinks, wait: Any) -> None:
    sink = sinks("http")
    forwarder = make("http://127.0.0.1:9", sink.url, retry=Retry())

    forward(forwarder, request(1))
    wait(lambda: sink.arrived)

    assert forwarder.counts()["http://127.0.0.1:9/v1/traces"].waiting == 1


def test_a_large_request_arrives_in_parts(make: Make, sinks: Sinks, wait: Any) -> None:
    sink = sinks("grpc")
    forwarder = make(sink.url, limit_bytes=500)

    forward(forwarder, request(*range(1, 11)))
    wait(lambda: counts(forwarder).forwarded)

    parts = [ExportTraceServiceRequest.FromString(body) for body in sink.bodies()]
    spans = [
        span.span_id[-1] for part in parts for span in part.resource_spans[0].scope_spans[0].spans
    ]
    assert spans == list(range(1, 11))
    assert max(map(len, sink.bodies())) <= 500


def test_requests_that_are_unsent_at_the_end_are_counted(make: Make) -> None:
    forwarder = make("http://127.0.0.1:9", retry=Retry())
    forward(forwarder, request(1))
    forward(forwarder, request(2))

    forwarder.close(budget_s=0)

    assert (counts(forwarder).dropped, counts(forwarder).waiting) == (2, 0)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("http://jaeger:4318", "http://jaeger:4318/v1/traces"),
        ("https://jaeger:4318/otlp/v1/traces/", "https://jaeger:4318/otlp/v1/traces"),
        ("http://jaeger", "http://jaeger:4318/v1/traces"),
        ("grpc://jaeger:4317", "grpc://jaeger:4317"),
        ("grpcs://[::1]:1", "grpcs://[::1]:1"),
        ("jaeger:4317", "grpc://jaeger:4317"),
    ],
)
def test_targets_are_read(text: str, target: str) -> None:
    assert str(Target.parse(text)) == target


@pytest.mark.parametrize(
    "text",
    ["ftp://x", "http://", "http://a:b@x", "grpc://x/path", "http://x:99999", "http://x?a=b"],
)
def test_text_that_is_not_a_target_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--forward"):
        Target.parse(text)


@pytest.mark.parametrize("text", ["a=secret", "secret", "http://c:1 a=secret"])
def test_headers_that_could_reach_the_wrong_target_are_refused(text: str) -> None:
    targets = read_targets("http://a:1,http://b:1")

    with pytest.raises(ConfigurationError) as refused:
        read_headers(text, targets)

    assert "secret" not in str(refused.value)
