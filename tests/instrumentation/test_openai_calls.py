from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from typing import Any

import openai
import pytest
from opentelemetry.trace import SpanKind, StatusCode
from pydantic import BaseModel

NUMBERS = "Hello #input=100 #cached=60 #output=20 #reasoning=5"
MESSAGES = [{"role": "user", "content": NUMBERS}]
CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.cache_read.input_tokens": 60,
    "gen_ai.usage.output_tokens": 20,
    "gen_ai.usage.reasoning.output_tokens": 5,
    "gen_ai.response.finish_reasons": ("stop",),
    "spantoll.usage.status": "reported",
}
STREAM = CHAT | {"gen_ai.request.stream": True}
RESPONSE = CHAT | {"openai.api.type": "responses", "gen_ai.request.model": "gpt-4o-mini"}
RESPONSE_STREAM = RESPONSE | {"gen_ai.request.stream": True}
FETCHED = {
    "gen_ai.operation.name": "fetch_response",
    "gen_ai.response.id": "resp_1",
    "gen_ai.usage.input_tokens": None,
    "spantoll.usage.status": None,
}
EMBEDDED = {
    "gen_ai.operation.name": "embeddings",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": None,
    "gen_ai.embeddings.dimension.count": 2,
    "gen_ai.request.encoding_formats": ("float",),
    "spantoll.usage.status": "reported",
}
COMPLETED = {
    "gen_ai.operation.name": "text_completion",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 20,
    "gen_ai.response.finish_reasons": ("stop",),
}
DRAWN = {
    "gen_ai.operation.name": "image_generation",
    "gen_ai.output.type": "image",
    "spantoll.usage.images": 2,
    "spantoll.request.image_size": "1024x1024",
    "spantoll.request.image_quality": "hd",
    "gen_ai.usage.output_tokens": None,
}
DRAWN_BY_TOKEN = {
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.text.input_tokens": 100,
    "gen_ai.usage.output_tokens": 20,
    "spantoll.usage.images": 1,
    "spantoll.request.image_quality": "medium",
}
HEARD = {"gen_ai.operation.name": "transcription", "spantoll.usage.audio_ms": 13_000}
HEARD_BY_TOKEN = {
    "gen_ai.usage.input_tokens": 114,
    "gen_ai.usage.audio.input_tokens": 100,
    "gen_ai.usage.text.input_tokens": 14,
    "gen_ai.usage.output_tokens": 20,
    "spantoll.usage.audio_ms": None,
}
SPOKEN = {"gen_ai.operation.name": "speech", "spantoll.usage.characters": 11}

DECIDED = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "gpt-6-luna",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.cache_read.input_tokens": 60,
    "gen_ai.usage.output_tokens": 20,
    "spantoll.usage.status": "reported",
}
Case = tuple[Callable[[Any], Any], dict[str, Any]]


class Answer(BaseModel):
    number: int


def sound() -> tuple[str, io.BytesIO]:
    return ("a.mp3", io.BytesIO(b"ID3"))


PLAIN: dict[str, Case] = {
    "chat": (
        lambda c: c.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES),
        CHAT,
    ),
    "responses": (lambda c: c.responses.create(model="gpt-4o-mini", input=NUMBERS), RESPONSE),
    "responses that searched": (
        lambda c: c.responses.create(model="gpt-4o-mini", input=NUMBERS + " #searches=2"),
        RESPONSE | {"spantoll.usage.units.web_searches": 2},
    ),
    "responses that searched at a discount": (
        lambda c: c.responses.create(
            model="gpt-4o-mini", input=NUMBERS + " #searches=2 #searches_billed=1"
        ),
        RESPONSE | {"spantoll.usage.units.web_searches": 1},
    ),
    "retrieve": (lambda c: c.responses.retrieve("resp_1"), FETCHED),
    "embeddings": (
        lambda c: c.embeddings.create(
            model="text-embedding-3-small", input=NUMBERS, dimensions=2, encoding_format="float"
        ),
        EMBEDDED,
    ),
    "legacy completions": (
        lambda c: c.completions.create(model="gpt-3.5-turbo-instruct", prompt=NUMBERS),
        COMPLETED,
    ),
    "images": (
        lambda c: c.images.generate(
            model="dall-e-3", prompt="a toll", n=2, size="1024x1024", quality="hd"
        ),
        DRAWN,
    ),
    "images by token": (
        lambda c: c.images.generate(model="gpt-image-1", prompt=NUMBERS),
        DRAWN_BY_TOKEN,
    ),
    "transcription": (
        lambda c: c.audio.transcriptions.create(model="whisper-1", file=sound()),
        HEARD,
    ),
    "verbose transcription": (
        lambda c: c.audio.transcriptions.create(
            model="whisper-1", file=sound(), response_format="verbose_json"
        ),
        HEARD,
    ),
    "transcription by token": (
        lambda c: c.audio.transcriptions.create(model="gpt-4o-transcribe", file=sound()),
        HEARD_BY_TOKEN,
    ),
    "speech": (
        lambda c: c.audio.speech.create(model="tts-1", voice="alloy", input="Hello there"),
        SPOKEN,
    ),
    "decision": (
        lambda c: c.decisions.create(
            model="gpt-6-luna",
            input=NUMBERS,
            questions=[{"type": "predicate", "question": "Is it a toll?"}],
        ),
        DECIDED,
    ),
}

STREAMED: dict[str, Case] = {
    "chat": (
        lambda c: c.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, stream=True),
        STREAM,
    ),
    "responses": (
        lambda c: c.responses.create(model="gpt-4o-mini", input=NUMBERS, stream=True),
        RESPONSE_STREAM,
    ),
    "legacy completions": (
        lambda c: c.completions.create(model="gpt-3.5-turbo-instruct", prompt=NUMBERS, stream=True),
        COMPLETED | {"gen_ai.request.stream": True},
    ),
    "transcription": (
        lambda c: c.audio.transcriptions.create(
            model="gpt-4o-transcribe", file=sound(), stream=True
        ),
        HEARD_BY_TOKEN | {"gen_ai.request.stream": True},
    ),
}


def cases(table: dict[str, Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("call", "expected"), list(table.values()), ids=list(table))


def select_keys(found: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    return {key: found.get(key) for key in expected}


@cases(PLAIN)
def test_each_operation_reports_its_usage(
    client: openai.OpenAI, spans: Any, call: Callable[[Any], Any], expected: dict[str, Any]
) -> None:
    call(client)

    assert select_keys(spans.attributes(), expected) == expected
    assert spans.only_span().status.status_code is StatusCode.UNSET


@cases(PLAIN)
async def test_each_async_operation_reports_its_usage(
    async_client: openai.AsyncOpenAI,
    spans: Any,
    call: Callable[[Any], Awaitable[Any]],
    expected: dict[str, Any],
) -> None:
    await call(async_client)

    assert select_keys(spans.attributes(), expected) == expected


@cases(STREAMED)
def test_each_stream_reports_its_usage(
    client: openai.OpenAI, spans: Any, call: Callable[[Any], Any], expected: dict[str, Any]
) -> None:
    for _ in call(client):
        pass

    assert select_keys(spans.attributes(), expected) == expected
    assert spans.attributes()["gen_ai.response.time_to_first_chunk"] > 0


@cases(STREAMED)
async def test_each_async_stream_reports_its_usage(
    async_client: openai.AsyncOpenAI,
    spans: Any,
    call: Callable[[Any], Awaitable[Any]],
    expected: dict[str, Any],
) -> None:
    async for _ in await call(async_client):
        pass

    assert select_keys(spans.attributes(), expected) == expected


def test_span_is_a_client_span_named_by_operation_and_model(
    client: openai.OpenAI, spans: Any, question: Any
) -> None:
    client.chat.completions.create(**question())

    assert spans.only_span().name == "chat gpt-4o-mini"
    assert spans.only_span().kind is SpanKind.CLIENT


def test_every_request_setting_is_on_the_span(
    client: openai.OpenAI, spans: Any, question: Any
) -> None:
    client.chat.completions.create(
        **question(
            temperature=0.2,
            top_p=0.9,
            seed=7,
            max_completion_tokens=50,
            frequency_penalty=0.1,
            presence_penalty=0.3,
            stop="END",
            n=2,
            reasoning_effort="low",
            service_tier="flex",
            response_format={"type": "json_object"},
            web_search_options={"search_context_size": "high"},
        )
    )

    expected = {
        "gen_ai.request.temperature": 0.2,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.seed": 7,
        "gen_ai.request.max_tokens": 50,
        "gen_ai.request.frequency_penalty": 0.1,
        "gen_ai.request.presence_penalty": 0.3,
        "gen_ai.request.stop_sequences": ("END",),
        "gen_ai.request.choice.count": 2,
        "gen_ai.request.reasoning.level": "low",
        "gen_ai.output.type": "json",
        "gen_ai.response.finish_reasons": ("stop", "stop"),
        "openai.request.service_tier": "flex",
        "openai.response.service_tier": "flex",
        "openai.response.system_fingerprint": "fp_loopback",
        "spantoll.request.id": "req_loopback",
        "spantoll.request.search_context_size": "high",
        "server.address": "127.0.0.1",
    }
    assert select_keys(spans.attributes(), expected) == expected


def test_chat_parse_helper_reports_its_usage(
    client: openai.OpenAI, spans: Any, question: Any
) -> None:
    with pytest.raises(ValueError, match="Invalid JSON"):
        client.chat.completions.parse(**question(), response_format=Answer)

    # The caller's parser refused the answer, which was billed all the same.
    expected = CHAT | {"error.type": "pydantic_core.ValidationError"}
    found = spans.attributes()
    assert select_keys(found, expected) | {"error.type": None} == expected | {"error.type": None}
    assert found["error.type"].endswith("ValidationError")
    assert "toll" not in (spans.only_span().status.description or "")


def test_chat_stream_helper_reports_its_usage(
    client: openai.OpenAI, spans: Any, question: Any
) -> None:
    with client.chat.completions.stream(**question()) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_completion()

    assert select_keys(spans.attributes(), STREAM) == STREAM
    assert kinds[-1] == "content.done"
    assert final.choices[0].message.content == "The toll of a span"


async def test_async_chat_stream_helper_reports_its_usage(
    async_client: openai.AsyncOpenAI, spans: Any, question: Any
) -> None:
    async with async_client.chat.completions.stream(**question()) as stream:
        await stream.until_done()

    assert select_keys(spans.attributes(), STREAM) == STREAM


def test_responses_stream_helper_reports_its_usage(client: openai.OpenAI, spans: Any) -> None:
    with client.responses.stream(model="gpt-4o-mini", input=NUMBERS) as stream:
        final = stream.get_final_response()

    assert select_keys(spans.attributes(), RESPONSE_STREAM) == RESPONSE_STREAM
    assert final.usage is not None


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "openai.BadRequestError"),
        (401, "openai.AuthenticationError"),
        (404, "openai.NotFoundError"),
        (429, "openai.RateLimitError"),
        (500, "openai.InternalServerError"),
    ],
)
def test_an_error_is_named_as_people_import_it(
    client: openai.OpenAI, spans: Any, question: Any, status: int, kind: str
) -> None:
    with pytest.raises(openai.APIStatusError):
        client.chat.completions.create(**question(f"#status={status}"))

    assert spans.attributes()["error.type"] == kind
    assert spans.only_span().status.status_code is StatusCode.ERROR
    assert "spantoll.usage.status" not in spans.attributes()


def test_retries_are_one_call(provider: Any, spans: Any, question: Any) -> None:
    with (
        openai.OpenAI(api_key="none", base_url=f"{provider.url}/v1", max_retries=1) as client,
        pytest.raises(openai.InternalServerError),
    ):
        client.chat.completions.create(**question("#status=500"))

    assert len(provider.asked) == 2
    assert spans.attributes()["error.type"] == "openai.InternalServerError"
