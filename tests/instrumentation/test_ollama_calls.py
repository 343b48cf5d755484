from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import ollama
import pytest

from spantoll import instrumentation
from tests.instrumentation.scenes import Case, cases, close, exhaust, leave, shown

NUMBERS = "Hello #input=100 #output=20"
MESSAGES = [{"role": "user", "content": NUMBERS}]
COUNTED = {
    "gen_ai.provider.name": "ollama",
    "gen_ai.request.model": "llama3.2",
    "gen_ai.response.model": "llama3.2",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 20,
    "gen_ai.response.finish_reasons": ("stop",),
    "spantoll.usage.status": "reported",
    "server.address": "127.0.0.1",
}
CHAT = COUNTED | {"gen_ai.operation.name": "chat"}
GENERATED = COUNTED | {"gen_ai.operation.name": "text_completion"}

PLAIN: dict[str, Case] = {
    "chat": (
        lambda c: c.chat(
            "llama3.2",
            MESSAGES,
            think="low",
            format="json",
            options={
                "temperature": 0.25,
                "top_p": 0.5,
                "top_k": 40,
                "seed": 7,
                "num_predict": 50,
                "stop": ["END"],
            },
        ),
        CHAT
        | {
            "gen_ai.request.temperature": 0.25,
            "gen_ai.request.top_p": 0.5,
            "gen_ai.request.top_k": 40,
            "gen_ai.request.seed": 7,
            "gen_ai.request.max_tokens": 50,
            "gen_ai.request.stop_sequences": ("END",),
            "gen_ai.request.reasoning.level": "low",
            "gen_ai.output.type": "json",
        },
    ),
    "generate": (lambda c: c.generate("llama3.2", NUMBERS), GENERATED),
    "a prompt that was in the cache is not counted, which is not nothing": (
        lambda c: c.generate("llama3.2", NUMBERS + " #cached=1"),
        GENERATED | {"gen_ai.usage.input_tokens": None},
    ),
    "embed": (
        lambda c: c.embed("nomic-embed-text", NUMBERS, dimensions=256),
        {
            "gen_ai.operation.name": "embeddings",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.embeddings.dimension.count": 256,
        },
    ),
}
STREAMED: dict[str, Case] = {
    "chat": (
        lambda c: c.chat("llama3.2", MESSAGES, stream=True),
        CHAT | {"gen_ai.request.stream": True},
    ),
    "generate": (
        lambda c: c.generate("llama3.2", NUMBERS, stream=True),
        GENERATED | {"gen_ai.request.stream": True},
    ),
}


@pytest.fixture
def client(provider: Any) -> Iterator[Any]:
    with ollama.Client(host=provider.url) as made:
        yield made


@pytest.fixture
async def async_client(provider: Any) -> AsyncIterator[Any]:
    async with ollama.AsyncClient(host=provider.url) as made:
        yield made


@cases(PLAIN)
def test_each_operation_reports_its_usage(
    client: Any, spans: Any, call: Callable[[Any], Any], expected: dict[str, Any]
) -> None:
    call(client)

    assert shown(spans.attributes(), expected) == expected


@cases(PLAIN)
async def test_each_async_operation_reports_its_usage(
    async_client: Any, spans: Any, call: Callable[[Any], Any], expected: dict[str, Any]
) -> None:
    await call(async_client)

    assert shown(spans.attributes(), expected) == expected


@cases(STREAMED)
def test_each_stream_reports_its_usage(
    client: Any, spans: Any, call: Callable[[Any], Any], expected: dict[str, Any]
) -> None:
    exhaust(call(client))

    assert shown(spans.attributes(), expected) == expected


@cases(STREAMED)
async def test_each_async_stream_reports_its_usage(
    async_client: Any, spans: Any, call: Callable[[Any], Any], expected: dict[str, Any]
) -> None:
    async for _ in await call(async_client):
        pass

    assert shown(spans.attributes(), expected) == expected


@pytest.mark.parametrize("way", [leave, close])
def test_a_stream_left_early_is_one_span_without_invented_usage(
    client: Any, spans: Any, way: Callable[[Any], None]
) -> None:
    way(client.chat("llama3.2", MESSAGES, stream=True))

    expected = {"gen_ai.usage.input_tokens": None, "spantoll.usage.status": "missing"}
    assert shown(spans.attributes(), expected) == expected


def test_errors_are_named_as_people_import_them(client: Any, spans: Any) -> None:
    with pytest.raises(ollama.ResponseError):
        client.generate("llama3.2", "#status=404")
    with pytest.raises(ollama.ResponseError):
        exhaust(client.generate("llama3.2", "#broken=2", stream=True))

    assert [span.attributes["error.type"] for span in spans.all()] == ["ollama.ResponseError"] * 2


MODULE = """
import ollama
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from spantoll.instrumentation import instrument

recorded, traces = InMemorySpanExporter(), TracerProvider()
traces.add_span_processor(SimpleSpanProcessor(recorded))
instrument(tracer_provider=traces)
ollama.chat("llama3.2", [{"role": "user", "content": "Hello"}])
print(len(recorded.get_finished_spans()))
"""


def test_the_functions_of_the_module_are_seen_though_imported_before(provider: Any) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MODULE],
        env={"OLLAMA_HOST": provider.url},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout == "1\n"


def test_uninstrument_puts_the_client_back(client: Any, spans: Any) -> None:
    instrumentation.uninstrument()

    client.generate("llama3.2", NUMBERS)

    assert spans.all() == ()


@pytest.mark.parametrize("stream", [False, True])
def test_the_content_is_recorded_only_where_it_is_captured(
    client: Any, spans: Any, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    asked = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "secret"}]
    exhaust(client.chat("llama3.2", asked, stream=stream))
    assert "secret" not in spans.one().to_json()
    assert "toll of" not in spans.one().to_json()

    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY")
    instrumentation.uninstrument()
    instrumentation.instrument(tracer_provider=spans.provider)
    exhaust(client.chat("llama3.2", asked, stream=stream))

    found = spans.all()[1].attributes
    assert '"content":"secret"' in found["gen_ai.input.messages"]
    assert '"content":"The toll of a span"' in found["gen_ai.output.messages"]


@pytest.mark.parametrize(
    ("model", "cost", "status"),
    [("llama3.2", 0, "free"), ("gpt-oss:120b-cloud", None, "unpriced")],
)
def test_what_runs_at_home_costs_nothing_and_what_is_passed_on_is_not_known(
    client: Any, spans: Any, billed: Any, model: str, cost: int | None, status: str
) -> None:
    client.chat(model, MESSAGES)

    [row] = billed()
    assert (row["cost_nano"], row["pricing_status"]) == (cost, status)


OLD = """
import ollama
client = ollama.Client(host=url)
asked = dict(model="m", messages=[{"role": "user", "content": "Hello #input=100 #output=20"}])
client.chat(**asked)
for _ in client.chat(**asked, stream=True):
    pass
"""


def test_ollama_0_4_is_read_as_todays_is(older: Any) -> None:
    found = [
        (span["gen_ai.usage.input_tokens"], span["gen_ai.usage.output_tokens"])
        for span in older(OLD, "ollama==0.4.0")
    ]

    assert found == [(100, 20)] * 2
