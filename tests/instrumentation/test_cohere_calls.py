from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cohere
import pytest

from spantoll import instrumentation
from tests.instrumentation.scenes import Case, cases, close, exhaust, leave, shown

NUMBERS = "Hello #input=100 #cached=60 #output=20"
MODEL = "command-a-03-2025"
MESSAGES = [{"role": "user", "content": NUMBERS}]
COUNTED = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "cohere",
    "gen_ai.request.model": MODEL,
    # What is billed, not the 168 that were read with Cohere's own preamble.
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 20,
    "gen_ai.usage.cache_read.input_tokens": 60,
    "gen_ai.response.finish_reasons": ("COMPLETE",),
    "spantoll.usage.status": "reported",
    "server.address": "127.0.0.1",
}
STREAM = COUNTED | {"gen_ai.request.stream": True}
RANKED = {
    "gen_ai.operation.name": "rerank",
    "spantoll.usage.units.search_units": 2,
    "gen_ai.usage.input_tokens": None,
}
EMBEDDED = {"gen_ai.operation.name": "embeddings", "gen_ai.usage.input_tokens": 100}

V2: dict[str, Case] = {
    "chat": (
        lambda c: c.chat(
            model=MODEL,
            messages=MESSAGES,
            temperature=0.25,
            p=0.5,
            k=40,
            max_tokens=50,
            seed=7,
            stop_sequences=["END"],
            frequency_penalty=0.1,
        ),
        COUNTED
        | {
            "gen_ai.request.temperature": 0.25,
            "gen_ai.request.top_p": 0.5,
            "gen_ai.request.top_k": 40,
            "gen_ai.request.max_tokens": 50,
            "gen_ai.request.seed": 7,
            "gen_ai.request.stop_sequences": ("END",),
            "gen_ai.request.frequency_penalty": 0.1,
        },
    ),
    "embed": (
        lambda c: c.embed(
            model="embed-v4.0",
            texts=[NUMBERS],
            input_type="search_query",
            embedding_types=["float"],
            output_dimension=256,
        ),
        EMBEDDED
        | {
            "gen_ai.request.encoding_formats": ("float",),
            "gen_ai.embeddings.dimension.count": 256,
        },
    ),
    "rerank": (
        lambda c: c.rerank(model="rerank-v3.5", query="toll", documents=["a"]),
        RANKED,
    ),
}
V1: dict[str, Case] = {
    "chat": (lambda c: c.chat(model=MODEL, message=NUMBERS), COUNTED),
    "embed": (
        lambda c: c.embed(model="embed-v4.0", texts=[NUMBERS], input_type="search_query"),
        EMBEDDED,
    ),
    "rerank": (
        lambda c: c.rerank(model="rerank-v3.5", query="toll", documents=["a"]),
        RANKED,
    ),
}


def settings(provider: Any) -> dict[str, Any]:
    return {"api_key": "none", "base_url": provider.url}


@cases(V2)
def test_each_operation_of_version_2_reports_its_usage(
    provider: Any, spans: Any, call: Callable[[Any], Any], expected: dict[str, Any]
) -> None:
    with cohere.ClientV2(**settings(provider)) as client:
        call(client)

    assert shown(spans.attributes(), expected) == expected


@cases(V2)
async def test_each_async_operation_of_version_2_reports_its_usage(
    provider: Any, spans: Any, call: Callable[[Any], Any], expected: dict[str, Any]
) -> None:
    async with cohere.AsyncClientV2(**settings(provider)) as client:
        await call(client)

    assert shown(spans.attributes(), expected) == expected


@cases(V1)
def test_each_operation_of_version_1_reports_its_usage(
    provider: Any, spans: Any, call: Callable[[Any], Any], expected: dict[str, Any]
) -> None:
    with cohere.Client(**settings(provider)) as client:
        call(client)

    assert shown(spans.attributes(), expected) == expected


def test_streams_report_their_usage(provider: Any, spans: Any) -> None:
    with cohere.ClientV2(**settings(provider)) as client:
        exhaust(client.chat_stream(model=MODEL, messages=MESSAGES))
        exhaust(client.v2.chat_stream(model=MODEL, messages=MESSAGES))
    with cohere.Client(**settings(provider)) as client:
        exhaust(client.chat_stream(model=MODEL, message=NUMBERS))

    assert [shown(dict(span.attributes), STREAM) for span in spans.all()] == [STREAM] * 3


async def test_async_streams_report_their_usage(provider: Any, spans: Any) -> None:
    async with cohere.AsyncClientV2(**settings(provider)) as client:
        async for _ in client.chat_stream(model=MODEL, messages=MESSAGES):
            pass
    async with cohere.AsyncClient(**settings(provider)) as client:
        async for _ in client.chat_stream(model=MODEL, message=NUMBERS):
            pass

    assert [shown(dict(span.attributes), STREAM) for span in spans.all()] == [STREAM] * 2


@pytest.mark.parametrize("way", [leave, close])
def test_a_stream_left_early_is_one_span_without_invented_usage(
    provider: Any, spans: Any, way: Callable[[Any], None]
) -> None:
    with cohere.ClientV2(**settings(provider)) as client:
        way(client.chat_stream(model=MODEL, messages=MESSAGES))

    expected = {"gen_ai.usage.input_tokens": None, "spantoll.usage.status": "missing"}
    assert shown(spans.attributes(), expected) == expected


def test_clients_made_before_and_raw_responses_are_seen_once(provider: Any, spans: Any) -> None:
    instrumentation.uninstrument()
    with cohere.ClientV2(**settings(provider)) as client:
        instrumentation.instrument(tracer_provider=spans.provider)
        client.chat(model=MODEL, messages=MESSAGES)
        client.v2.with_raw_response.chat(model=MODEL, messages=MESSAGES)

    assert [shown(dict(span.attributes), COUNTED) for span in spans.all()] == [COUNTED] * 2


def test_an_error_is_named_as_people_import_it(provider: Any, spans: Any) -> None:
    asked: Any = [{"role": "user", "content": "#status=429"}]

    with (
        cohere.ClientV2(**settings(provider)) as client,
        pytest.raises(cohere.TooManyRequestsError),
    ):
        client.chat(model=MODEL, messages=asked, request_options={"max_retries": 0})

    assert spans.attributes()["error.type"] == "cohere.TooManyRequestsError"


def test_uninstrument_puts_the_client_back(provider: Any, spans: Any) -> None:
    instrumentation.uninstrument()

    with cohere.ClientV2(**settings(provider)) as client:
        client.chat(model=MODEL, messages=MESSAGES)

    assert spans.all() == ()


def test_the_content_is_recorded_only_where_it_is_captured(
    provider: Any, spans: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: Any = [{"role": "user", "content": "the secret"}]
    with cohere.ClientV2(**settings(provider)) as client:
        client.chat(model=MODEL, messages=asked)
        assert "secret" not in spans.one().to_json()
        assert "toll of" not in spans.one().to_json()

        monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY")
        instrumentation.uninstrument()
        instrumentation.instrument(tracer_provider=spans.provider)
        client.chat(model=MODEL, messages=asked)
    with cohere.ClientV2(**settings(provider)) as client:
        client.chat(model=MODEL, messages=asked)
        exhaust(client.chat_stream(model=MODEL, messages=asked))

    for span in spans.all()[1:]:
        assert '"content":"the secret"' in span.attributes["gen_ai.input.messages"]
        assert '"content":"The toll of a span"' in span.attributes["gen_ai.output.messages"]


def test_a_call_is_priced_to_the_nano_dollar(provider: Any, spans: Any, billed: Any) -> None:
    with cohere.ClientV2(**settings(provider)) as client:
        client.chat(model=MODEL, messages=[{"role": "user", "content": "#input=1000 #output=20"}])

    # cohere.com/pricing: 2.50 dollars per million in, 10 out.
    assert [row["cost_nano"] for row in billed()] == [1000 * 2_500 + 20 * 10_000]


OLD = """
import cohere
client = cohere.ClientV2(api_key="none", base_url=url)
asked = dict(model="m", messages=[{"role": "user", "content": "Hello #input=100 #output=20"}])
client.chat(**asked)
for _ in client.chat_stream(**asked):
    pass
cohere.Client(api_key="none", base_url=url).chat(model="m", message="#input=100 #output=20")
"""


def test_cohere_5_11_is_read_as_todays_is(older: Any) -> None:
    found = [
        (span["gen_ai.usage.input_tokens"], span["gen_ai.usage.output_tokens"])
        for span in older(OLD, "cohere==5.11.0")
    ]

    assert found == [(100, 20)] * 3
