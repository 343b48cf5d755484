from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import openai
import pytest
from loopback_provider import LoopbackProvider
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import RowMapping, select

from spantoll import instrumentation
from spantoll.pipeline import Ingest, Ledger, make_settle
from spantoll.pricing import load_rate_card
from spantoll.records import usage_record
from spantoll.storage import open_store
from tests.support.packages import install_packages


class Spans:
    """The spans that ended, in order."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = self.another_provider()

    def another_provider(self) -> TracerProvider:
        """One whose spans end up among these, too."""
        made = TracerProvider()
        made.add_span_processor(SimpleSpanProcessor(self._exporter))
        return made

    def all(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()

    def only_span(self) -> ReadableSpan:
        (span,) = self.all()
        return span

    def attributes(self) -> dict[str, Any]:
        """The attributes of the only span."""
        return dict(self.only_span().attributes or {})


@pytest.fixture
def billed(spans: Spans) -> Callable[[], list[RowMapping]]:
    """Send the spans that ended the way an exporter does: gives the records that are billed."""

    def bill() -> list[RowMapping]:
        card = load_rate_card()
        sent = encode_spans(spans.all()).SerializeToString()
        batch = Ingest(card).traces(
            sent, received_ns=time.time_ns(), content_type="application/x-protobuf"
        )
        store = open_store("memory:")
        Ledger(store, settle=make_settle(card)).write(batch.records, rates=batch.rates)
        with store.engine.connect() as connection:
            rows = connection.execute(select(usage_record).where(usage_record.c.counted))
            found = list(rows.mappings())
        store.close()
        return found

    return bill


@pytest.fixture(scope="session")
def _server() -> Iterator[LoopbackProvider]:
    with LoopbackProvider() as provider:
        yield provider


@pytest.fixture
def provider(_server: LoopbackProvider) -> LoopbackProvider:
    _server.asked.clear()
    return _server


@pytest.fixture
def spans() -> Iterator[Spans]:
    recorded = Spans()
    instrumentation.instrument(tracer_provider=recorded.provider)
    yield recorded
    instrumentation.uninstrument()


@pytest.fixture
def client(provider: LoopbackProvider) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="none", base_url=f"{provider.url}/v1", max_retries=0) as made:
        yield made


@pytest.fixture
async def async_client(provider: LoopbackProvider) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        api_key="none", base_url=f"{provider.url}/v1", max_retries=0
    ) as made:
        yield made


@pytest.fixture
def question() -> Callable[..., dict[str, Any]]:
    """Arguments of a chat call whose answer has the numbers 100, 60 cached, 20, 5 reasoning."""

    def ask(script: str = "", model: str = "gpt-4o-mini", **more: Any) -> dict[str, Any]:
        content = f"Hello #input=100 #cached=60 #output=20 #reasoning=5 {script}"
        return {"model": model, "messages": [{"role": "user", "content": content}], **more}

    return ask


OLDER = """
import json
import os

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from spantoll.instrumentation import instrument

recorded = InMemorySpanExporter()
traces = TracerProvider()
traces.add_span_processor(SimpleSpanProcessor(recorded))
instrument(tracer_provider=traces)
url = os.environ["PROVIDER_URL"]
{program}
print(json.dumps([dict(span.attributes) for span in recorded.get_finished_spans()]))
"""


@pytest.fixture
def older(provider: LoopbackProvider, missing: Callable[[str, str], None]) -> Any:
    """Run a program with SDKs of another time: gives the attributes of the spans it makes.

    The program finds the provider's address in `url`. Each set of requirements is installed once,
    into the user's cache.
    """

    def run(program: str, *requirements: str) -> list[dict[str, Any]]:
        folder = install_packages(requirements, missing)
        done = subprocess.run(
            [sys.executable, "-c", OLDER.replace("{program}", program)],
            env={**os.environ, "PYTHONPATH": str(folder), "PROVIDER_URL": provider.url},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
        return found

    return run
