from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SimpleSpanProcessor,
    SpanExportResult,
)
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer

from spantoll.exporter import SpantollSpanExporter
from spantoll.exporter.convert import to_spans
from spantoll.otlp import decode_traces

SCOPE = "opentelemetry.instrumentation.openai_v2"
COST_NANO = 450_000
CHAT: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.usage.input_tokens": 1_000,
    "gen_ai.usage.output_tokens": 500,
}

Work = Callable[[Tracer], None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def exporter(path: Path) -> Iterator[SpantollSpanExporter]:
    exporter = SpantollSpanExporter(database=f"sqlite:///{path}")
    yield exporter
    exporter.shutdown()


def select(path: Path, what: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT {what} FROM usage_record").fetchall()


def finished(work: Work) -> list[ReadableSpan]:
    """The spans that the SDK hands to an exporter."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(
        resource=Resource({"service.name": "shop", "deployment.environment.name": "test"}),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(SimpleSpanProcessor(memory))
    work(provider.get_tracer(SCOPE, "2.4b0", "https://opentelemetry.io/schemas/1.37.0"))
    return list(memory.get_finished_spans())


def a_call(tracer: Tracer) -> None:
    with tracer.start_as_current_span("chat gpt-4o-mini", kind=SpanKind.CLIENT, attributes=CHAT):
        pass


def an_agent(tracer: Tracer) -> None:
    with tracer.start_as_current_span("POST /ask", kind=SpanKind.SERVER):
        a_call(tracer)
        a_call(tracer)


def a_failure(tracer: Tracer) -> None:
    with tracer.start_as_current_span(
        "chat gpt-4o-mini", kind=SpanKind.CLIENT, attributes=CHAT
    ) as span:
        span.set_status(Status(StatusCode.ERROR, "rate limited \0 or so"))
        span.add_event("exception", {"exception.type": "RateLimitError"})


def odd_values(tracer: Tracer) -> None:
    attributes: dict[str, Any] = {
        "flags": [True, False],
        "ratio": 0.5,
        "raw": b"\0\1",
        "nothing": [],
    }
    with tracer.start_as_current_span("chat \0", attributes=CHAT | attributes):
        pass


def backwards(tracer: Tracer) -> None:
    tracer.start_span("chat", attributes=CHAT, start_time=2_000_000_000).end(1_000_000_000)


@pytest.mark.parametrize(
    "work",
    [a_call, an_agent, a_failure, odd_values, backwards],
    ids=lambda work: work.__name__,
)
def test_a_span_reads_as_if_it_had_come_over_otlp(work: Work) -> None:
    spans = finished(work)

    here = list(to_spans(spans))

    sent = decode_traces(encode_spans(spans).SerializeToString()).spans
    assert [plain(span) for span in here] == [plain(span) for span in sent]


def plain(span: Any) -> Any:
    """Lists and tuples compare alike."""
    if isinstance(span, dict):
        return {key: plain(value) for key, value in span.items()}
    return [plain(item) for item in span] if isinstance(span, tuple | list) else span


def test_text_that_no_encoding_has_is_repaired_not_dropped(
    exporter: SpantollSpanExporter, path: Path
) -> None:
    def half_a_pair(tracer: Tracer) -> None:
        attributes = CHAT | {"user.id": "half \ud83d of it"}
        with tracer.start_as_current_span("chat", attributes=attributes):
            pass

    result = exporter.export(finished(half_a_pair))

    assert result is SpanExportResult.SUCCESS
    [(user_id, flaws)] = select(path, "user_id, flaws")
    assert user_id.startswith("half \ufffd")
    assert "invalid_utf8" in flaws


def test_model_calls_are_stored_priced_when_export_returns(
    exporter: SpantollSpanExporter, path: Path
) -> None:
    result = exporter.export(finished(an_agent))

    assert result is SpanExportResult.SUCCESS
    assert select(path, "source, service_name, cost_nano") == [("exporter", "shop", COST_NANO)] * 2


def test_an_export_twice_is_stored_once(exporter: SpantollSpanExporter, path: Path) -> None:
    spans = finished(a_call)

    results = [exporter.export(spans), exporter.export(spans)]

    assert results == [SpanExportResult.SUCCESS] * 2
    assert select(path, "count(*)") == [(1,)]


def test_flush_and_shutdown_lose_nothing(exporter: SpantollSpanExporter, path: Path) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=2_048))
    tracer = provider.get_tracer(SCOPE)

    for _ in range(700):
        a_call(tracer)
    provider.force_flush()
    flushed = select(path, "count(*)")
    for _ in range(300):
        a_call(tracer)
    provider.shutdown()

    assert flushed == [(700,)]
    assert select(path, "count(*), sum(cost_nano)") == [(1_000, 1_000 * COST_NANO)]


def test_nothing_is_opened_before_the_first_export(
    exporter: SpantollSpanExporter, path: Path
) -> None:
    before = path.exists()

    exporter.export(finished(a_call))

    assert (before, path.exists()) == (False, True)


@pytest.mark.parametrize(
    "database",
    ["sqlite:////no/such/directory/ledger.db", "unheard-of://host/db"],
    ids=["missing-directory", "unknown-scheme"],
)
def test_a_database_that_cannot_be_opened_is_a_failure_and_not_an_error(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    exporter = SpantollSpanExporter(database=database)

    with caplog.at_level(logging.ERROR):
        result = exporter.export(finished(a_call))
    exporter.shutdown()

    assert result is SpanExportResult.FAILURE
    assert "1 spans could not be stored" in caplog.text


def test_a_database_that_comes_back_is_used_again(tmp_path: Path) -> None:
    later = tmp_path / "later"
    exporter = SpantollSpanExporter(database=f"sqlite:///{later}/ledger.db")

    before = exporter.export(finished(a_call))
    later.mkdir()
    after = exporter.export(finished(a_call))
    exporter.shutdown()

    assert (before, after) == (SpanExportResult.FAILURE, SpanExportResult.SUCCESS)
    assert select(later / "ledger.db", "count(*)") == [(1,)]


def test_a_database_locked_for_long_is_a_failure_and_then_used_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spantoll.exporter.span_exporter.PATIENCE_S", 0.2)
    exporter = SpantollSpanExporter(database=f"sqlite:///{path}?timeout=0.05")
    exporter.export(finished(a_call))

    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        results = [exporter.export(finished(a_call)) for _ in range(2)]
        other.execute("ROLLBACK")
    results.append(exporter.export(finished(a_call)))
    exporter.shutdown()

    failure, success = SpanExportResult.FAILURE, SpanExportResult.SUCCESS
    assert results == [failure, failure, success]
    assert select(path, "count(*)") == [(2,)]


def test_after_shutdown_nothing_is_taken(exporter: SpantollSpanExporter, path: Path) -> None:
    exporter.export(finished(a_call))
    exporter.shutdown()
    exporter.shutdown()

    result = exporter.export(finished(a_call))

    assert result is SpanExportResult.FAILURE
    assert exporter.force_flush() is True
    assert select(path, "count(*)") == [(1,)]


APPLICATION = """
import os
from opentelemetry import trace

def call():
    with trace.get_tracer("opentelemetry.instrumentation.openai_v2").start_as_current_span(
        "chat gpt-4o-mini", attributes={attributes!r}
    ):
        pass

call()
"""
# Python 3.12 and newer warn of a fork beside threads: here the span processor has one.
FORKING = """
import warnings

warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
if os.fork() == 0:
    call()
    trace.get_tracer_provider().force_flush()
    os._exit(0)
os.wait()
call()
"""


def run_instrumented(path: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Run an application that knows nothing of SpanToll, configured by its environment."""
    application = path.with_name("application.py")
    application.write_text(program)
    command = Path(sys.executable).with_name("opentelemetry-instrument")
    environment = {
        **os.environ,
        "OTEL_TRACES_EXPORTER": "spantoll",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "SPANTOLL_DATABASE": f"sqlite:///{path}",
    }
    return subprocess.run(
        [command, sys.executable, application],
        check=False,
        env=environment,
        cwd=path.parent,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("forks", "records"), [("", 1), (FORKING, 3)], ids=["one-process", "forked"]
)
def test_an_application_needs_nothing_but_the_environment(
    path: Path, forks: str, records: int
) -> None:
    ended = run_instrumented(path, APPLICATION.format(attributes=CHAT) + forks)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert select(path, "count(*), sum(cost_nano)") == [(records, records * COST_NANO)]
