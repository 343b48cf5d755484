from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from huggingface_hub import AsyncInferenceClient, InferenceClient
from huggingface_hub.errors import HfHubHTTPError

from spantoll import instrumentation
from spantoll.instrumentation.provider import Settings
from spantoll.instrumentation.providers.huggingface import hooks
from tests.instrumentation.scenes import Case, aexhaust, cases, exhaust, leave, select_keys

NUMBERS = "Hello #input=100 #cached=60 #output=20"
MESSAGES = [{"role": "user", "content": NUMBERS}]
LLAMA = "meta-llama/Llama-3.3-70B-Instruct"
CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "huggingface",
    "gen_ai.request.model": LLAMA,
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.cache_read.input_tokens": 60,
    "gen_ai.usage.output_tokens": 20,
    "gen_ai.response.finish_reasons": ("stop",),
    "spantoll.usage.status": "reported",
    "server.address": "127.0.0.1",
}
WRITTEN = {
    "gen_ai.operation.name": "text_completion",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 20,
    "gen_ai.response.finish_reasons": ("length",),
}
STREAM = {"gen_ai.request.stream": True}

# A client of an endpoint of one's own talks to its URL, whatever the task.
TASKS: dict[str, Case] = {
    "text generation": (
        lambda c: c.text_generation(
            NUMBERS, details=True, max_new_tokens=50, temperature=0.25, top_k=40, seed=7
        ),
        WRITTEN
        | {
            "gen_ai.request.max_tokens": 50,
            "gen_ai.request.temperature": 0.25,
            "gen_ai.request.top_k": 40,
            "gen_ai.request.seed": 7,
        },
    ),
    "speech": (
        lambda c: c.text_to_speech("Hi #speech"),
        {"gen_ai.operation.name": "speech", "spantoll.usage.characters": 10},
    ),
    "embeddings": (
        lambda c: c.feature_extraction("Hi #vector"),
        {"gen_ai.operation.name": "embeddings", "spantoll.usage.status": "missing"},
    ),
    "image": (
        lambda c: c.text_to_image("a toll bridge", width=512, height=256),
        {
            "gen_ai.operation.name": "image_generation",
            "gen_ai.output.type": "image",
            "spantoll.usage.images": 1,
            "spantoll.request.image_size": "512x256",
        },
    ),
    "transcription": (
        lambda c: c.automatic_speech_recognition(b"ID3"),
        {"gen_ai.operation.name": "transcription", "spantoll.usage.status": "missing"},
    ),
}


@pytest.fixture
def endpoint(provider: Any) -> str:
    return f"{provider.url}/hf"


def chat_of(client: Any, **more: Any) -> Any:
    return client.chat_completion(MESSAGES, model=LLAMA, **more)


def test_a_chat_reports_its_usage(provider: Any, spans: Any) -> None:
    with InferenceClient(base_url=provider.url) as client:
        answer = chat_of(client, temperature=0.25, max_tokens=50)
        client.chat.completions.create(MESSAGES, model=LLAMA)

    assert answer.usage.prompt_tokens == 100
    first, second = (dict(span.attributes) for span in spans.all())
    expected = CHAT | {"gen_ai.request.temperature": 0.25, "gen_ai.request.max_tokens": 50}
    assert select_keys(first, expected) == expected
    assert select_keys(second, CHAT) == CHAT


def test_a_stream_reports_its_usage(provider: Any, spans: Any) -> None:
    with InferenceClient(base_url=provider.url) as client:
        chunks = list(chat_of(client, stream=True, stream_options={"include_usage": True}))

    assert chunks[-1].usage.prompt_tokens == 100
    assert select_keys(spans.attributes(), CHAT | STREAM) == CHAT | STREAM
    assert spans.attributes()["gen_ai.response.time_to_first_chunk"] > 0


async def test_async_calls_report_their_usage(provider: Any, spans: Any) -> None:
    async with AsyncInferenceClient(base_url=provider.url) as client:
        await chat_of(client)
        asked = {"stream": True, "stream_options": {"include_usage": True}}
        async for _ in await chat_of(client, **asked):
            pass

    assert [select_keys(dict(span.attributes), CHAT) for span in spans.all()] == [CHAT] * 2


@cases(TASKS)
def test_each_task_reports_its_usage(
    endpoint: str, spans: Any, call: Callable[[Any], Any], expected: dict[str, Any]
) -> None:
    with InferenceClient(model=endpoint) as client:
        call(client)

    assert select_keys(spans.attributes(), expected) == expected


def test_a_stream_of_text_reports_its_usage(endpoint: str, spans: Any) -> None:
    with InferenceClient(model=endpoint) as client:
        exhaust(client.text_generation(NUMBERS, details=True, stream=True))

    assert select_keys(spans.attributes(), WRITTEN | STREAM) == WRITTEN | STREAM


def test_a_stream_is_asked_for_usage_and_the_chunk_is_hidden(provider: Any, spans: Any) -> None:
    with InferenceClient(base_url=provider.url) as client:
        chunks = list(chat_of(client, stream=True))

    assert provider.asked[0].body["stream_options"] == {"include_usage": True}
    assert all(chunk.choices for chunk in chunks)
    assert select_keys(spans.attributes(), CHAT | STREAM) == CHAT | STREAM


async def test_an_async_stream_is_asked_for_usage_and_the_chunk_is_hidden(
    provider: Any, spans: Any
) -> None:
    async with AsyncInferenceClient(base_url=provider.url) as client:
        chunks = [chunk async for chunk in await chat_of(client, stream=True)]

    assert all(chunk.choices for chunk in chunks)
    assert select_keys(spans.attributes(), CHAT | STREAM) == CHAT | STREAM


def test_a_stream_ends_with_its_last_event_also_where_the_sdk_keeps_it(
    provider: Any, spans: Any
) -> None:
    with InferenceClient(base_url=provider.url) as client:
        stream = chat_of(client, stream=True)
        kept = stream.gi_frame.f_locals.copy()
        exhaust(stream)

        assert kept
        assert select_keys(spans.attributes(), CHAT | STREAM) == CHAT | STREAM


async def test_an_async_stream_ends_with_its_last_event_also_where_the_sdk_keeps_it(
    provider: Any, spans: Any
) -> None:
    async with AsyncInferenceClient(base_url=provider.url) as client:
        stream: Any = await chat_of(client, stream=True)
        kept = stream.ag_frame.f_locals.copy()
        await aexhaust(stream)

        assert kept
        assert select_keys(spans.attributes(), CHAT | STREAM) == CHAT | STREAM


def test_a_stream_whose_caller_refuses_usage_is_missing_it(provider: Any, spans: Any) -> None:
    with InferenceClient(base_url=provider.url) as client:
        exhaust(chat_of(client, stream=True, stream_options={"include_usage": False}))
        leave(chat_of(client, stream=True))

    found = [span.attributes["spantoll.usage.status"] for span in spans.all()]
    assert found == ["missing", "missing"]


def test_the_url_of_an_endpoint_is_no_model(endpoint: str, spans: Any) -> None:
    with InferenceClient(model=f"{endpoint}?token=secret") as client:
        client.text_generation(NUMBERS, details=True)
        client.chat_completion(MESSAGES)

    assert "secret" not in "".join(span.to_json() for span in spans.all())
    assert spans.all()[0].name == "text_completion"


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        ("https://router.huggingface.co/v1/chat/completions", "huggingface"),
        ("https://router.huggingface.co/hf-inference/models/m", "huggingface"),
        ("https://router.huggingface.co/groq/openai/v1/chat/completions", "groq"),
        ("https://router.huggingface.co/together/v1/chat/completions", "together_ai"),
        ("https://router.huggingface.co/fireworks-ai/inference/v1", "fireworks_ai"),
        ("https://api.groq.com/openai/v1/chat/completions", "groq"),
        ("https://abc.endpoints.huggingface.cloud", "huggingface"),
    ],
)
def test_the_router_names_the_provider(url: str, provider: str) -> None:
    assert hooks._server(url, Settings()).provider == provider


def test_an_error_is_named_as_people_import_it(provider: Any, spans: Any) -> None:
    asked = [{"role": "user", "content": "#status=429"}]

    with InferenceClient(base_url=provider.url) as client, pytest.raises(HfHubHTTPError):
        client.chat_completion(asked, model=LLAMA)

    assert spans.attributes()["error.type"].endswith("HfHubHTTPError")


def test_uninstrument_puts_the_client_back(provider: Any, spans: Any) -> None:
    instrumentation.uninstrument()

    with InferenceClient(base_url=provider.url) as client:
        chat_of(client)

    assert spans.all() == ()


def test_the_content_is_recorded_only_where_it_is_captured(
    provider: Any, spans: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [{"role": "user", "content": "the secret"}]
    with InferenceClient(base_url=provider.url) as client:
        client.chat_completion(asked, model=LLAMA)
        assert "secret" not in spans.only_span().to_json()

        monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY")
        instrumentation.uninstrument()
        instrumentation.instrument(tracer_provider=spans.provider)
        client.chat_completion(asked, model=LLAMA)
        exhaust(client.chat_completion(asked, model=LLAMA, stream=True))

    for span in spans.all()[1:]:
        assert '"content":"the secret"' in span.attributes["gen_ai.input.messages"]
        assert '"content":"The toll of a span"' in span.attributes["gen_ai.output.messages"]


OLD = """
from huggingface_hub import InferenceClient
client = InferenceClient(base_url=url, api_key="none")
asked = dict(model="m", messages=[{"role": "user", "content": "Hello #input=100 #output=20"}])
client.chat_completion(**asked)
for _ in client.chat_completion(**asked, stream=True, stream_options={"include_usage": True}):
    pass
"""


def test_huggingface_hub_0_30_is_read_as_todays_is(older: Any) -> None:
    found = [
        (span["gen_ai.usage.input_tokens"], span["gen_ai.usage.output_tokens"])
        for span in older(OLD, "huggingface_hub==0.30.0")
    ]

    assert found == [(100, 20)] * 2
