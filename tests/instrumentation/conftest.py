from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from spantoll import instrumentation

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

from loopback_provider import LoopbackProvider


class Spans:
    """The spans that ended, in order."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    def all(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()

    def one(self) -> ReadableSpan:
        (span,) = self.all()
        return span

    def told(self) -> dict[str, Any]:
        """The attributes of the only span."""
        return dict(self.one().attributes or {})


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
