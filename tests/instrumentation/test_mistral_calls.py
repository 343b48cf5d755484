from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from mistralai.client import Mistral, errors

from spantoll import instrumentation
from tests.instrumentation.scenes import Case, cases, close, exhaust, leave, leave_with, select_keys

NUMBERS = "Hello #input=100 #cached=60 #output=20"
SMALL = "mistral-small-latest"
MESSAGES = [{"role": "user", "content": NUMBERS}]
COUNTED = {
    "gen_ai.provider.name": "mistral_ai",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 20,
    "spantoll.usage.status": "reported",
    "server.address": "127.0.0.1",
}
CHAT = COUNTED | {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": SMALL,
    "gen_ai.usage.cache_read.input_tokens": 60,
    "gen_ai.response.finish_reasons": ("stop",),
}
RESPONSE = CHAT | {
    "gen_ai.request.max_tokens": 50,
    "gen_ai.usage.reasoning.output_tokens": 5,
}
TALK = COUNTED | {"gen_ai.operation.name": "chat", "spantoll.usage.units.web_searches": 2}
STREAM = {"gen_ai.request.stream": True}
VOICE = "voxtral-mini-tts-latest"
SPEECH = {
    "gen_ai.operation.name": "speech",
    "gen_ai.request.model": VOICE,
    "gen_ai.output.type": "speech",
    "spantoll.usage.characters": len(NUMBERS),
    "spantoll.usage.status": "reported",
}

PLAIN: dict[str, Case] = {
    "chat": (
        lambda c: c.chat.complete(
            model=SMALL,
            messages=MESSAGES,
            temperature=0.25,
            top_p=0.5,
            max_tokens=50,
            stop=["END"],
            random_seed=7,
            response_format={"type": "json_object"},
        ),
        CHAT
        | {
            "gen_ai.request.temperature": 0.25,
            "gen_ai.request.top_p": 0.5,
            "gen_ai.request.max_tokens": 50,
            "gen_ai.request.stop_sequences": ("END",),
            "gen_ai.request.seed": 7,
            "gen_ai.output.type": "json",
        },
    ),
    "fill in the middle": (
        lambda c: c.fim.complete(model=SMALL, prompt=NUMBERS),
        COUNTED | {"gen_ai.operation.name": "text_completion"},
    ),
    "agent": (
        lambda c: c.agents.complete(agent_id="ag_1", messages=MESSAGES),
        COUNTED | {"gen_ai.agent.id": "ag_1"},
    ),
    "embedding": (
        lambda c: c.embeddings.create(model="mistral-embed", inputs=[NUMBERS]),
        {"gen_ai.operation.name": "embeddings", "gen_ai.usage.input_tokens": 100},
    ),
    "pages": (
        lambda c: c.ocr.process(
            model="mistral-ocr-latest",
            document={"type": "document_url", "document_url": "https://a.example/#pages=4"},
        ),
        {"gen_ai.operation.name": "ocr", "spantoll.usage.units.pages": 4},
    ),
    "speech": (
        lambda c: c.audio.speech.complete(
            model=VOICE, input=NUMBERS, metadata={"customer_id": "acme"}
        ),
        SPEECH | {"spantoll.customer_id": "acme", "gen_ai.usage.input_tokens": None},
    ),
    "response": (
        lambda c: c.responses.create(
            model=SMALL, input=NUMBERS + " #reasoning=5", max_output_tokens=50
        ),
        RESPONSE,
    ),
    "conversation": (
        lambda c: c.beta.conversations.start(model=SMALL, inputs=NUMBERS + " #connected=40"),
        TALK,
    ),
}
STREAMED: dict[str, Case] = {
    "speech": (
        lambda c: c.audio.speech.complete(model=VOICE, input=NUMBERS, stream=True),
        COUNTED | SPEECH | STREAM,
    ),
    "chat": (lambda c: c.chat.stream(model=SMALL, messages=MESSAGES), CHAT | STREAM),
    "fill in the middle": (
        lambda c: c.fim.stream(model=SMALL, prompt=NUMBERS),
        COUNTED | STREAM,
    ),
    "agent": (
        lambda c: c.agents.stream(agent_id="ag_1", messages=MESSAGES),
        COUNTED | STREAM,
    ),
    "response": (
        lambda c: c.responses.create(
            model=SMALL, input=NUMBERS + " #reasoning=5", max_output_tokens=50, stream=True
        ),
        RESPONSE | STREAM,
    ),
    "conversation": (
        lambda c: c.beta.conversations.start_stream(model=SMALL, inputs=NUMBERS + " #connected=40"),
        TALK | STREAM,
    ),
}


class AsyncMethods:
    """A client whose methods are the `_async` ones."""

    def __init__(self, of: Any) -> None:
        self._of = of

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._of, f"{name}_async", None)
        return AsyncMethods(getattr(self._of, name)) if found is None else found


@pytest.fixture
def plain(provider: Any) -> Iterator[Mistral]:
    with Mistral(api_key="none", server_url=provider.url) as made:
        yield made


@pytest.fixture
async def async_mistral(provider: Any) -> AsyncIterator[Any]:
    async with Mistral(api_key="none", server_url=provider.url) as made:
        yield AsyncMethods(made)


@cases(PLAIN)
def test_each_operation_reports_its_usage(
    plain: Any, spans: Any, call: Callable[[Any], Any], expected: dict[str, Any]
) -> None:
    call(plain)

    assert select_keys(spans.attributes(), expected) == expected


@cases(PLAIN)
async def test_each_async_operation_reports_its_usage(
    async_mistral: Any, spans: Any, call: Callable[[Any], Any], expected: dict[str, Any]
) -> None:
    await call(async_mistral)

    assert select_keys(spans.attributes(), expected) == expected


@cases(STREAMED)
def test_each_stream_reports_its_usage(
    provider: Any, spans: Any, call: Callable[[Any], Any], expected: dict[str, Any]
) -> None:
    with Mistral(api_key="none", server_url=provider.url) as client:
        exhaust(call(client))

    assert select_keys(spans.attributes(), expected) == expected


@cases(STREAMED)
async def test_each_async_stream_reports_its_usage(
    async_mistral: Any, spans: Any, call: Callable[[Any], Any], expected: dict[str, Any]
) -> None:
    async for _ in await call(async_mistral):
        pass

    assert select_keys(spans.attributes(), expected) == expected


@pytest.mark.parametrize("way", [leave, close, leave_with])
def test_a_stream_left_early_is_one_span_without_invented_usage(
    plain: Any, spans: Any, way: Callable[[Any], None]
) -> None:
    way(plain.chat.stream(model=SMALL, messages=MESSAGES))

    expected = {"gen_ai.usage.input_tokens": None, "spantoll.usage.status": "missing"}
    assert select_keys(spans.attributes(), expected) == expected


def test_an_error_is_named_as_people_import_it(plain: Any, spans: Any) -> None:
    with pytest.raises(errors.SDKError):
        plain.chat.complete(
            model=SMALL, messages=[{"role": "user", "content": "#status=429"}], retries=None
        )

    assert spans.attributes()["error.type"].endswith("SDKError")


def test_uninstrument_puts_the_client_back(plain: Any, spans: Any) -> None:
    instrumentation.uninstrument()

    plain.chat.complete(model=SMALL, messages=MESSAGES)

    assert spans.all() == ()


def test_the_content_is_recorded_only_where_it_is_captured(
    plain: Any, spans: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: Any = [{"role": "user", "content": "the secret"}]
    plain.chat.complete(model=SMALL, messages=asked)
    exhaust(plain.chat.stream(model=SMALL, messages=asked))
    written = " ".join(span.to_json() for span in spans.all())
    assert "secret" not in written
    assert "toll of" not in written

    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY")
    instrumentation.uninstrument()
    instrumentation.instrument(tracer_provider=spans.provider)
    plain.chat.complete(model=SMALL, messages=asked)
    exhaust(plain.chat.stream(model=SMALL, messages=asked))

    for span in spans.all()[2:]:
        assert '"content":"the secret"' in span.attributes["gen_ai.input.messages"]
        assert '"content":"The toll of a span"' in span.attributes["gen_ai.output.messages"]


def test_its_own_spans_beside_ours_are_billed_once(provider: Any, spans: Any, billed: Any) -> None:
    from mistralai.extra.observability import set_tracer_provider

    with Mistral(api_key="none", server_url=provider.url) as client:
        set_tracer_provider(client, spans.provider)
        client.chat.complete(model=SMALL, messages=MESSAGES)

    assert len(spans.all()) == 2
    assert [row["input_tokens"] for row in billed()] == [100]


def test_a_call_is_priced_to_the_nano_dollar(plain: Any, spans: Any, billed: Any) -> None:
    plain.chat.complete(
        model="mistral-large-2512",
        messages=[{"role": "user", "content": "#input=1000 #output=20"}],
    )

    # mistral.ai/pricing: 0.50 dollars per million in, 1.50 out.
    assert [row["cost_nano"] for row in billed()] == [1000 * 500 + 20 * 1_500]


OLD = """
import asyncio
from mistralai import Mistral

client = Mistral(api_key="none", server_url=url)
asked = dict(model="m", messages=[{"role": "user", "content": "Hello #input=100 #output=20"}])
client.chat.complete(**asked)
for _ in client.fim.stream(model="m", prompt="Hello #input=100 #output=20"):
    pass
asyncio.run(client.chat.complete_async(**asked))
"""


def test_mistralai_1_5_is_read_as_todays_is(older: Any) -> None:
    found = [
        (span["gen_ai.usage.input_tokens"], span["gen_ai.usage.output_tokens"])
        for span in older(OLD, "mistralai==1.5.0")
    ]

    assert found == [(100, 20)] * 3
