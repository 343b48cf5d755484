"""Groq's and Cerebras' SDKs: Stainless, with OpenAI's bodies and a few words of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import cerebras.cloud.sdk
import groq
import httpx
import pytest

from spantoll import instrumentation
from spantoll.instrumentation.spans import error_name
from tests.instrumentation.scenes import cancel, close, exhaust, leave, leave_with, shown

NUMBERS = "Hello #input=100 #cached=60 #output=20 #reasoning=5"
MESSAGES = [{"role": "user", "content": NUMBERS}]
CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.cache_read.input_tokens": 60,
    "gen_ai.usage.output_tokens": 20,
    "gen_ai.usage.reasoning.output_tokens": 5,
    "gen_ai.response.finish_reasons": ("stop",),
    "spantoll.usage.status": "reported",
}
ABORTED = {"gen_ai.usage.input_tokens": None, "spantoll.usage.status": "missing"}


class Sdk:
    """An SDK, its clients against the loopback provider, and a model of it."""

    def __init__(self, name: str, module: Any, client: str, model: str, **settings: Any) -> None:
        self.name, self.module, self.model = name, module, model
        self._client, self._settings = client, settings

    def __repr__(self) -> str:
        return self.name

    def client(self, url: str, kind: str = "") -> Any:
        made = getattr(self.module, kind + self._client)
        return made(api_key="none", base_url=url, max_retries=0, **self._settings)

    def asked(self, script: str = "", **more: Any) -> dict[str, Any]:
        message = {"role": "user", "content": f"{NUMBERS} {script}"}
        return {"model": self.model, "messages": [message], **more}


SDKS = [
    Sdk("groq", groq, "Groq", "llama-3.3-70b-versatile"),
    Sdk(
        "cerebras",
        cerebras.cloud.sdk,
        "Cerebras",
        "gpt-oss-120b",
        warm_tcp_connection=False,
    ),
]
every_sdk = pytest.mark.parametrize("sdk", SDKS, ids=repr)


@every_sdk
def test_a_chat_reports_its_usage(provider: Any, spans: Any, sdk: Sdk) -> None:
    with sdk.client(provider.url) as client:
        client.chat.completions.create(**sdk.asked(temperature=0.25, max_completion_tokens=50))

    expected = CHAT | {
        "gen_ai.provider.name": sdk.name,
        "gen_ai.request.model": sdk.model,
        "gen_ai.request.temperature": 0.25,
        "gen_ai.request.max_tokens": 50,
    }
    assert shown(spans.attributes(), expected) == expected


@every_sdk
def test_a_stream_reports_its_usage(provider: Any, spans: Any, sdk: Sdk) -> None:
    with sdk.client(provider.url) as client:
        stream = client.chat.completions.create(**sdk.asked(stream=True))
        words = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)

    assert isinstance(stream, sdk.module.Stream)
    assert words == "The toll of a span"
    assert shown(spans.attributes(), CHAT) == CHAT


@every_sdk
async def test_async_calls_report_their_usage(provider: Any, spans: Any, sdk: Sdk) -> None:
    async with sdk.client(provider.url, "Async") as client:
        await client.chat.completions.create(**sdk.asked())
        async for _ in await client.chat.completions.create(**sdk.asked(stream=True)):
            pass

    assert [shown(dict(span.attributes), CHAT) for span in spans.all()] == [CHAT] * 2


@every_sdk
def test_raw_and_streaming_responses_report_their_usage(
    provider: Any, spans: Any, sdk: Sdk
) -> None:
    with sdk.client(provider.url) as client:
        raw = client.chat.completions.with_raw_response.create(**sdk.asked())
        with client.chat.completions.with_streaming_response.create(**sdk.asked()) as response:
            response.read()

    assert raw.parse().usage.prompt_tokens == 100
    assert [shown(dict(span.attributes), CHAT) for span in spans.all()] == [CHAT] * 2


@every_sdk
@pytest.mark.parametrize("way", [leave, close, leave_with])
def test_a_stream_left_early_is_one_span(
    provider: Any, spans: Any, sdk: Sdk, way: Callable[[Any], None]
) -> None:
    with sdk.client(provider.url) as client:
        way(client.chat.completions.create(**sdk.asked(stream=True)))

    assert shown(spans.attributes(), ABORTED) == ABORTED


@every_sdk
async def test_a_cancelled_task_ends_the_span_once(provider: Any, spans: Any, sdk: Sdk) -> None:
    async with sdk.client(provider.url, "Async") as client:

        async def talk(reading: asyncio.Event) -> None:
            asked = sdk.asked("#pause=500 #chunks=20", stream=True)
            async for _ in await client.chat.completions.create(**asked):
                reading.set()

        await cancel(talk)

    assert shown(spans.attributes(), ABORTED) == ABORTED
    assert spans.attributes()["error.type"] == "asyncio.CancelledError"


@every_sdk
def test_a_server_that_hangs_up_is_one_failed_span(provider: Any, spans: Any, sdk: Sdk) -> None:
    with (
        sdk.client(provider.url) as client,
        pytest.raises((sdk.module.APIConnectionError, httpx.RemoteProtocolError)) as raised,
    ):
        exhaust(client.chat.completions.create(**sdk.asked("#cut=3", stream=True)))

    expected = ABORTED | {"error.type": error_name(raised.type)}
    assert shown(spans.attributes(), expected) == expected


@every_sdk
def test_the_content_is_recorded_only_where_it_is_captured(
    provider: Any, spans: Any, monkeypatch: pytest.MonkeyPatch, sdk: Sdk
) -> None:
    asked = sdk.asked("the secret")
    with sdk.client(provider.url) as client:
        client.chat.completions.create(**asked)
        assert "secret" not in spans.one().to_json()

        monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY")
        instrumentation.uninstrument()
        instrumentation.instrument(tracer_provider=spans.provider)
        client.chat.completions.create(**asked)
        exhaust(client.chat.completions.create(**asked, stream=True))

    for span in spans.all()[1:]:
        assert "the secret" in span.attributes["gen_ai.input.messages"]
        assert '"content":"The toll of a span"' in span.attributes["gen_ai.output.messages"]


@every_sdk
def test_an_error_is_named_as_people_import_it(provider: Any, spans: Any, sdk: Sdk) -> None:
    with (
        sdk.client(provider.url) as client,
        pytest.raises(sdk.module.RateLimitError),
    ):
        client.chat.completions.create(**sdk.asked("#status=429"))

    assert spans.attributes()["error.type"] == f"{sdk.module.__name__}.RateLimitError"


@every_sdk
def test_uninstrument_puts_the_client_back(provider: Any, spans: Any, sdk: Sdk) -> None:
    instrumentation.uninstrument()

    with sdk.client(provider.url) as client:
        client.chat.completions.create(**sdk.asked())

    assert spans.all() == ()


def test_groq_transcribes_and_speaks(provider: Any, spans: Any) -> None:
    with groq.Groq(api_key="none", base_url=provider.url, max_retries=0) as client:
        client.audio.transcriptions.create(
            model="whisper-1", file=("a.mp3", b"ID3"), response_format="verbose_json"
        )
        client.audio.speech.create(model="orpheus", voice="v", input="Hello there").read()
        client.embeddings.create(model="nomic", input=NUMBERS)

    found = [dict(span.attributes) for span in spans.all()]
    assert found[0]["spantoll.usage.audio_ms"] == 13_000
    assert found[1]["spantoll.usage.characters"] == 11
    assert found[2]["gen_ai.usage.input_tokens"] == 100


def test_cerebras_completes(provider: Any, spans: Any) -> None:
    with SDKS[1].client(provider.url) as client:
        client.completions.create(model="gpt-oss-120b", prompt=NUMBERS)
        exhaust(client.completions.create(model="gpt-oss-120b", prompt=NUMBERS, stream=True))

    found = [span.attributes["gen_ai.operation.name"] for span in spans.all()]
    assert found == ["text_completion"] * 2
    assert spans.all()[0].attributes["gen_ai.usage.output_tokens"] == 20


def test_calls_are_priced_to_the_nano_dollar(provider: Any, spans: Any, billed: Any) -> None:
    for sdk in SDKS:
        with sdk.client(provider.url) as client:
            messages = [{"role": "user", "content": "#input=1000 #output=20"}]
            client.chat.completions.create(model=sdk.model, messages=messages)

    # groq.com/pricing: 0.59 dollars per million in, 0.79 out.
    # inference-docs.cerebras.ai: 0.35 in, 0.75 out.
    costs = {row["provider"]: row["cost_nano"] for row in billed()}
    assert costs == {
        "groq": 1000 * 590 + 20 * 790,
        "cerebras": 1000 * 350 + 20 * 750,
    }


OLD_GROQ = """
import groq
client = groq.Groq(api_key="none", base_url=url, max_retries=0)
asked = dict(model="m", messages=[{"role": "user", "content": "Hello #input=100 #output=20"}])
client.chat.completions.create(**asked)
for _ in client.chat.completions.create(**asked, stream=True):
    pass
"""
OLD_CEREBRAS = OLD_GROQ.replace("import groq", "from cerebras.cloud import sdk as groq").replace(
    "groq.Groq(", "groq.Cerebras(warm_tcp_connection=False, "
)


@pytest.mark.parametrize(
    ("program", "requirement"),
    [(OLD_GROQ, "groq==0.13.0"), (OLD_CEREBRAS, "cerebras-cloud-sdk==1.14.0")],
    ids=["groq", "cerebras"],
)
def test_older_sdks_are_read_as_todays_are(older: Any, program: str, requirement: str) -> None:
    found = [
        (span["gen_ai.usage.input_tokens"], span["gen_ai.usage.output_tokens"])
        for span in older(program, requirement, "httpx<0.28")
    ]

    assert found == [(100, 20)] * 2
