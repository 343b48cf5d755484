"""The usage path: a log record per call that no trace sampler drops, merged with its span."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import httpx2
import openai
import pytest
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, TraceIdRatioBased
from opentelemetry.trace import StatusCode
from sqlalchemy import RowMapping, select

from spantoll import instrumentation
from spantoll.instrumentation import attributes, launch
from spantoll.pipeline import Ingest, Ledger, make_settle
from spantoll.pricing import load_rate_card
from spantoll.records import usage_record
from spantoll.storage import open_store

PROTOBUF = "application/x-protobuf"


class Application:
    """An application with a sampler, its spans and its log records."""

    def __init__(self, sampler: Any) -> None:
        self.traces = TracerProvider(sampler=sampler)
        self.logs = LoggerProvider()
        self._spans = InMemorySpanExporter()
        self._records = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]  # untyped
        self.traces.add_span_processor(SimpleSpanProcessor(self._spans))
        self.logs.add_log_record_processor(SimpleLogRecordProcessor(self._records))

    def instrument(self, **settings: Any) -> None:
        instrumentation.uninstrument()
        instrumentation.instrument(
            tracer_provider=self.traces, logger_provider=self.logs, **settings
        )

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        return self._spans.get_finished_spans()

    @property
    def records(self) -> Sequence[ReadableLogRecord]:
        return self._records.get_finished_logs()


@pytest.fixture
def application() -> Iterator[Callable[..., Application]]:
    made: list[Application] = []

    def start(sampler: Any = ALWAYS_ON, **settings: Any) -> Application:
        made.append(Application(sampler))
        made[-1].instrument(**{"usage_logs": True, **settings})
        return made[-1]

    yield start
    instrumentation.uninstrument()
    for each in made:
        each.logs.shutdown()
        each.traces.shutdown()


def spans_of(sent: Application) -> bytes:
    return encode_spans(sent.spans).SerializeToString()


def logs_of(sent: Application) -> bytes:
    return encode_logs(sent.records).SerializeToString()


def write(deliveries: Sequence[tuple[str, bytes]]) -> list[RowMapping]:
    """The counted records of a ledger that receives spans and logs in this order."""
    card = load_rate_card()
    ingest = Ingest(card)
    store = open_store("memory:")
    ledger = Ledger(store, settle=make_settle(card))
    for signal, sent in deliveries:
        read = ingest.traces if signal == "spans" else ingest.logs
        batch = read(sent, received_ns=time.time_ns(), content_type=PROTOBUF)
        ledger.write(batch.records, rates=batch.rates)
    with store.engine.connect() as connection:
        rows = list(connection.execute(select(usage_record)).mappings())
    store.close()
    assert all(row["counted"] for row in rows)
    return rows


@pytest.mark.parametrize(
    ("calls", "ratio"),
    [(1_000, 1 / 100), pytest.param(10_000, 1 / 1000, marks=pytest.mark.soak)],
)
def test_every_call_is_in_the_ledger_once_whatever_is_sampled(
    application: Callable[..., Application], calls: int, ratio: float
) -> None:
    sent = application(ParentBased(TraceIdRatioBased(ratio)))
    answer = {
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "x"}}
        ],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }
    numbers = iter(range(calls))
    transport = httpx2.MockTransport(
        lambda _: httpx2.Response(200, json={**answer, "id": f"chatcmpl-{next(numbers)}"})
    )
    with openai.OpenAI(api_key="none", http_client=httpx2.Client(transport=transport)) as client:
        for _ in range(calls):
            client.chat.completions.create(
                model="gpt-4o-mini", messages=[{"role": "user", "content": "x"}]
            )

    alone = write([("logs", logs_of(sent))])
    both = write([("spans", spans_of(sent)), ("logs", logs_of(sent))])

    assert 0 < len(sent.spans) < calls * ratio * 10
    assert len(alone) == len(both) == calls
    assert {row["span_id"] for row in alone} == {row["span_id"] for row in both}
    assert sum(row["input_tokens"] for row in both) == 100 * calls


ORDERS = {
    "span first": ("spans", "logs"),
    "log first": ("logs", "spans"),
    "again and again": ("logs", "spans", "logs", "spans"),
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=list(ORDERS))
def test_a_span_and_its_log_record_are_one_record(
    application: Callable[..., Application],
    client: openai.OpenAI,
    question: Any,
    order: tuple[str, ...],
) -> None:
    sent = application()
    with sent.traces.get_tracer("app").start_as_current_span("request"):
        client.chat.completions.create(**question())
        list(client.chat.completions.create(**question(stream=True)))
    delivered = {"spans": spans_of(sent), "logs": logs_of(sent)}

    rows = write([(signal, delivered[signal]) for signal in order])

    assert len(rows) == 2
    assert [row["input_tokens"] for row in rows] == [100, 100]
    assert all(row["parent_span_id"] is not None for row in rows)


SAME = (
    "trace_id",
    "span_id",
    "parent_span_id",
    "provider",
    "request_model",
    "response_model",
    "response_id",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "reasoning_tokens",
    "cost_nano_usd",
    "customer_id",
    "user_id",
    "status",
    "usage_quality",
)


def test_a_log_record_has_the_same_facts_as_the_span(
    application: Callable[..., Application], client: openai.OpenAI, question: Any
) -> None:
    sent = application()
    with attributes(customer_id="acme"), pytest.raises(openai.RateLimitError):
        client.chat.completions.create(**question("#status=429"))
    with attributes(customer_id="acme"):
        client.chat.completions.create(**question(user="u1"))

    (failed_log, log), (failed_span, span) = (
        write([("logs", logs_of(sent))]),
        write([("spans", spans_of(sent))]),
    )

    columns = [name for name in SAME if name in log]
    assert {name: log[name] for name in columns} == {name: span[name] for name in columns}
    assert (failed_log["status"], failed_log["error_type"]) == (
        failed_span["status"],
        failed_span["error_type"],
    )


def test_a_log_record_has_no_content(
    application: Callable[..., Application],
    client: openai.OpenAI,
    question: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY")
    sent = application()

    client.chat.completions.create(**question("secret words"))

    (record,) = sent.records
    assert record.log_record.event_name == "spantoll.client.operation.usage"
    assert b"secret words" not in logs_of(sent)
    assert b"secret words" in spans_of(sent)


def test_without_the_setting_there_are_no_log_records(
    application: Callable[..., Application], client: openai.OpenAI, question: Any
) -> None:
    sent = application(usage_logs=False)

    client.chat.completions.create(**question())

    assert not sent.records


def test_the_environment_switches_it_on(
    application: Callable[..., Application],
    client: openai.OpenAI,
    question: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SPANTOLL_USAGE_LOGS", "true")
    sent = application(ALWAYS_OFF, usage_logs=None)

    client.chat.completions.create(**question())

    assert len(sent.records) == 1


def test_without_any_traces_each_call_is_a_record_of_its_own(
    client: openai.OpenAI, question: Any
) -> None:
    sent = Application(ALWAYS_OFF)
    instrumentation.instrument(logger_provider=sent.logs, usage_logs=True)

    for _ in range(3):
        client.chat.completions.create(**question())

    instrumentation.uninstrument()
    rows = write([("logs", logs_of(sent)), ("logs", logs_of(sent))])
    sent.logs.shutdown()
    assert len(rows) == 3


MODES = {
    "NO_CONTENT": (False, False),
    "": (False, False),
    "SPAN_ONLY": (True, False),
    "EVENT_ONLY": (False, True),
    "SPAN_AND_EVENT": (True, True),
    "true": (True, False),
}


@pytest.mark.parametrize(("mode", "expected"), MODES.items(), ids=list(MODES))
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_content_is_where_the_convention_says(
    application: Callable[..., Application],
    client: openai.OpenAI,
    question: Any,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    expected: tuple[bool, bool],
    stream: bool,
) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", mode)
    sent = application(usage_logs=False)

    answer = client.chat.completions.create(**question(stream=stream))
    if stream:
        list(answer)

    (span,) = sent.spans
    span_context = span.get_span_context()
    assert span_context is not None
    found = dict(span.attributes or {})
    events = [record.log_record for record in sent.records]
    on_span = "gen_ai.input.messages" in found and "gen_ai.output.messages" in found
    assert (on_span, bool(events)) == expected
    for event in events:
        assert event.event_name == "gen_ai.client.inference.operation.details"
        assert event.span_id == span_context.span_id
        content: Any = event.attributes
        assert content["gen_ai.input.messages"][0]["parts"][0]["type"] == "text"
        assert content["gen_ai.output.messages"][0]["role"] == "assistant"
        assert content["gen_ai.usage.input_tokens"] == 100
        assert event.severity_number is SeverityNumber.DEBUG


def test_the_event_and_the_usage_record_of_a_call_are_one_record(
    application: Callable[..., Application],
    client: openai.OpenAI,
    question: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "EVENT_ONLY")
    sent = application()

    client.chat.completions.create(**question())

    assert len(sent.records) == 2
    assert len(write([("logs", logs_of(sent)), ("spans", spans_of(sent))])) == 1


def test_an_error_is_on_the_log_record(
    application: Callable[..., Application], client: openai.OpenAI, question: Any
) -> None:
    sent = application()

    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(**question("#status=429"))

    (record,) = sent.records
    assert (record.log_record.attributes or {})["error.type"] == "openai.RateLimitError"
    assert sent.spans[0].status.status_code is StatusCode.ERROR


@pytest.mark.parametrize(
    ("environment", "exporter"),
    [
        ({}, "none"),
        ({"SPANTOLL_USAGE_LOGS": "true"}, "otlp"),
        ({"SPANTOLL_USAGE_LOGS": "true", "OTEL_LOGS_EXPORTER": "console"}, "console"),
    ],
    ids=["off", "on", "chosen"],
)
def test_spantoll_run_sends_the_log_records(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], exporter: str
) -> None:
    started: dict[str, str] = {}
    monkeypatch.setattr("os.execve", lambda _path, _args, given: started.update(given))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(AssertionError, match="execve"):
        launch.main(["--", sys.executable])

    assert started["OTEL_LOGS_EXPORTER"] == exporter


def test_a_logger_provider_that_comes_later_gets_the_records(
    client: openai.OpenAI, question: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = Application(ALWAYS_OFF)
    instrumentation.instrument(usage_logs=True)
    monkeypatch.setattr("opentelemetry._logs.get_logger_provider", lambda: later.logs)
    monkeypatch.setattr("opentelemetry._logs._internal._LOGGER_PROVIDER", later.logs)

    client.chat.completions.create(**question())

    instrumentation.uninstrument()
    later.logs.shutdown()
    assert len(later.records) == 1
