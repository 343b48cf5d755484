from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from google import genai
from google.genai import errors, types
from google.oauth2.credentials import Credentials
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from spantoll import instrumentation
from spantoll.instrumentation.providers.google_genai.function_calling import ROOT_NAME
from tests.instrumentation.scenes import Case, cases, close, exhaust, leave, shown

# Headers the SDK adds.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The generate_videos method:DeprecationWarning"),
]
NUMBERS = "Hello #input=1000 #cached=600 #output=25 #reasoning=5 #tools=100 #audio=40"
FLASH = "gemini-2.5-flash"
COUNTED = {
    "gen_ai.operation.name": "generate_content",
    "gen_ai.provider.name": "gcp.gemini",
    "gen_ai.request.model": FLASH,
    "gen_ai.response.model": FLASH,
    # 900 of the prompt, 100 that a server-side tool brought; 20 of the answer, 5 thoughts.
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.text.input_tokens": 960,
    "gen_ai.usage.text.output_tokens": 20,
    "spantoll.usage.cache_read.text.input_tokens": 600,
    "gen_ai.usage.audio.input_tokens": 40,
    "gen_ai.usage.cache_read.input_tokens": 600,
    "gen_ai.usage.output_tokens": 25,
    "gen_ai.usage.reasoning.output_tokens": 5,
    "gen_ai.response.finish_reasons": ("STOP",),
    "spantoll.usage.status": "reported",
    "server.address": "127.0.0.1",
}
STREAM = COUNTED | {"gen_ai.request.stream": True}

PLAIN: dict[str, Case] = {
    "content": (lambda m: m.generate_content(model=FLASH, contents=NUMBERS), COUNTED),
    "settings in a dict": (
        lambda m: m.generate_content(
            model=FLASH,
            contents=NUMBERS + " #searches=2",
            config={
                "temperature": 0.25,
                "topP": 0.5,
                "top_k": 40,
                "maxOutputTokens": 100,
                "stop_sequences": ["END"],
                "seed": 7,
                "presence_penalty": 0.1,
                "frequency_penalty": 0.2,
                "response_mime_type": "application/json",
                "candidate_count": 2,
            },
        ),
        COUNTED
        | {
            "gen_ai.request.temperature": 0.25,
            "gen_ai.request.top_p": 0.5,
            "gen_ai.request.top_k": 40,
            "gen_ai.request.max_tokens": 100,
            "gen_ai.request.stop_sequences": ("END",),
            "gen_ai.request.seed": 7,
            "gen_ai.request.presence_penalty": 0.1,
            "gen_ai.request.frequency_penalty": 0.2,
            "gen_ai.request.choice.count": 2,
            "gen_ai.output.type": "json",
            "spantoll.usage.units.google_searches": 2,
        },
    ),
    "settings in an object": (
        lambda m: m.generate_content(
            model=FLASH,
            contents=NUMBERS,
            config=types.GenerateContentConfig(
                temperature=0.25,
                thinking_config=types.ThinkingConfig(thinking_level=types.ThinkingLevel.LOW),
                response_modalities=["AUDIO"],
            ),
        ),
        COUNTED
        | {
            "gen_ai.request.temperature": 0.25,
            "gen_ai.request.reasoning.level": "low",
            "gen_ai.output.type": "speech",
        },
    ),
    "every modality": (
        lambda m: m.generate_content(
            model=FLASH,
            contents="#input=1000 #output=25 #audio=40 #image=30 #video=20 #document=10",
        ),
        {
            "gen_ai.usage.input_tokens": 1000,
            "gen_ai.usage.text.input_tokens": 900,
            "gen_ai.usage.audio.input_tokens": 40,
            "gen_ai.usage.image.input_tokens": 30,
            "spantoll.usage.video.input_tokens": 20,
            "spantoll.usage.document.input_tokens": 10,
        },
    ),
    "embedding with usage": (
        lambda m: m.embed_content(model="gemini-embedding-2", contents="#input=9 #counted=1"),
        {"gen_ai.usage.input_tokens": 9, "spantoll.usage.status": "reported"},
    ),
    "embedding, which reports no usage": (
        lambda m: m.embed_content(
            model="gemini-embedding-001",
            contents=NUMBERS,
            config={"output_dimensionality": 256},
        ),
        {
            "gen_ai.operation.name": "embeddings",
            "gen_ai.embeddings.dimension.count": 256,
            "gen_ai.usage.input_tokens": None,
            "spantoll.usage.status": "missing",
        },
    ),
}
VERTEX: dict[str, Case] = {
    "content": (
        lambda m: m.generate_content(model=FLASH, contents=NUMBERS),
        COUNTED | {"gen_ai.provider.name": "gcp.vertex_ai", "spantoll.region": "europe-west1"},
    ),
    "embedding": (
        lambda m: m.embed_content(model="text-embedding-005", contents=NUMBERS),
        {"gen_ai.operation.name": "embeddings", "gen_ai.usage.input_tokens": 1000},
    ),
    "video": (
        lambda m: m.generate_videos(
            model="veo-3.0-generate-001",
            prompt="a toll",
            config={"number_of_videos": 2, "duration_seconds": 8},
        ),
        {"gen_ai.operation.name": "video_generation", "spantoll.usage.video_ms": 16_000},
    ),
    "images": (
        lambda m: m.generate_images(
            model="imagen-4.0-generate-001", prompt="a toll", config={"number_of_images": 2}
        ),
        {
            "gen_ai.operation.name": "image_generation",
            "gen_ai.output.type": "image",
            "spantoll.usage.images": 2,
        },
    ),
}


@pytest.fixture
def gemini(provider: Any) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=provider.url)
    with genai.Client(api_key="none", http_options=options) as made:
        yield made


@pytest.fixture
async def async_gemini(provider: Any) -> AsyncIterator[Any]:
    options = types.HttpOptions(base_url=provider.url)
    async with genai.Client(api_key="none", http_options=options).aio as made:
        yield made


@pytest.fixture
def vertex(provider: Any) -> Iterator[genai.Client]:
    with genai.Client(
        vertexai=True,
        project="p",
        location="europe-west1",
        credentials=Credentials("none"),  # type: ignore[no-untyped-call]
        http_options=types.HttpOptions(base_url=provider.url),
    ) as made:
        yield made


@cases(PLAIN)
def test_each_operation_reports_its_usage(
    gemini: Any, spans: Any, call: Callable[[Any], Any], expected: dict[str, Any]
) -> None:
    call(gemini.models)

    assert shown(spans.attributes(), expected) == expected
    assert spans.one().kind is SpanKind.CLIENT


@cases(PLAIN)
async def test_each_async_operation_reports_its_usage(
    async_gemini: Any,
    spans: Any,
    call: Callable[[Any], Awaitable[Any]],
    expected: dict[str, Any],
) -> None:
    await call(async_gemini.models)

    assert shown(spans.attributes(), expected) == expected


@cases(VERTEX)
def test_vertex_ai_is_a_provider_of_its_own(
    vertex: Any, spans: Any, call: Callable[[Any], Any], expected: dict[str, Any]
) -> None:
    with warnings.catch_warnings(category=genai._common.ExperimentalWarning, action="ignore"):
        call(vertex.models)

    assert shown(spans.attributes(), expected) == expected


def test_a_stream_reports_its_usage(gemini: Any, spans: Any) -> None:
    stream = gemini.models.generate_content_stream(model=FLASH, contents=NUMBERS)
    words = "".join(chunk.text for chunk in stream)

    assert words == "The toll of a span"
    assert shown(spans.attributes(), STREAM) == STREAM
    assert spans.attributes()["gen_ai.response.time_to_first_chunk"] > 0


async def test_an_async_stream_reports_its_usage(async_gemini: Any, spans: Any) -> None:
    stream = await async_gemini.models.generate_content_stream(model=FLASH, contents=NUMBERS)
    words = [chunk.text async for chunk in stream]

    assert "".join(words) == "The toll of a span"
    assert shown(spans.attributes(), STREAM) == STREAM


def test_a_chat_is_counted_message_by_message(gemini: Any, spans: Any) -> None:
    chat = gemini.chats.create(model=FLASH)

    chat.send_message(NUMBERS)
    exhaust(chat.send_message_stream(NUMBERS))

    found = [span.attributes["gen_ai.usage.input_tokens"] for span in spans.all()]
    assert found == [1000, 1000]


async def test_an_async_chat_is_counted_message_by_message(async_gemini: Any, spans: Any) -> None:
    chat = async_gemini.chats.create(model=FLASH)

    await chat.send_message(NUMBERS)
    async for _ in await chat.send_message_stream(NUMBERS):
        pass

    assert len(spans.all()) == 2


def weather(city: str) -> str:
    """Return the weather of a city."""
    return f"fine in {city}"


def test_automatic_function_calling_is_counted_request_by_request(
    gemini: Any, spans: Any, provider: Any
) -> None:
    chat = gemini.chats.create(model=FLASH, config=types.GenerateContentConfig(tools=[weather]))

    answer = chat.send_message(NUMBERS)

    assert answer.text == "The toll of a span"
    assert len(provider.asked) == 2
    requests = [span for span in spans.all() if span.name.startswith("generate_content")]
    assert [span.attributes["gen_ai.usage.input_tokens"] for span in requests] == [1000, 1000]


REQUEST, TOOL, ROOT = f"generate_content {FLASH}", "execute_tool weather", ROOT_NAME
WITH_TOOL: Any = {"model": FLASH, "contents": NUMBERS, "config": {"tools": [weather]}}


def in_one_trace(spans: Any) -> bool:
    *below, root = spans.all()
    return all(span.parent == root.context for span in below) and root.parent is None


def test_automatic_function_calling_is_one_trace(gemini: Any, spans: Any, billed: Any) -> None:
    gemini.models.generate_content(**WITH_TOOL)

    assert [span.name for span in spans.all()] == [REQUEST, TOOL, REQUEST, ROOT]
    assert in_one_trace(spans)
    assert dict(spans.all()[1].attributes) == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "weather",
        "gen_ai.tool.type": "function",
    }
    assert len(billed()) == 2


def test_a_stream_with_function_calling_is_one_trace(gemini: Any, spans: Any) -> None:
    before = trace.get_current_span()
    for _ in gemini.models.generate_content_stream(**WITH_TOOL):
        assert trace.get_current_span() is before

    assert sorted(span.name for span in spans.all()) == sorted([REQUEST, ROOT])
    assert in_one_trace(spans)


async def test_async_function_calling_is_one_trace(async_gemini: Any, spans: Any) -> None:
    await async_gemini.models.generate_content(**WITH_TOOL)

    assert [span.name for span in spans.all()] == [REQUEST, TOOL, REQUEST, ROOT]
    assert in_one_trace(spans)


async def test_an_async_stream_with_function_calling_is_one_trace(
    async_gemini: Any, spans: Any
) -> None:
    async for _ in await async_gemini.models.generate_content_stream(**WITH_TOOL):
        pass

    assert spans.all()[-1].name == ROOT
    assert in_one_trace(spans)


def test_function_calling_below_a_span_has_no_root_of_its_own(gemini: Any, spans: Any) -> None:
    with spans.provider.get_tracer("app").start_as_current_span("request"):
        gemini.models.generate_content(**WITH_TOOL)

    assert [span.name for span in spans.all()] == [REQUEST, TOOL, REQUEST, "request"]
    assert in_one_trace(spans)


def broken(city: str) -> str:
    """Return the weather of a city."""
    raise LookupError(city)


def test_a_function_that_fails_is_a_span_with_its_error(gemini: Any, spans: Any) -> None:
    gemini.models.generate_content(model=FLASH, contents=NUMBERS, config={"tools": [broken]})

    (tool,) = [span for span in spans.all() if span.name == "execute_tool broken"]
    assert tool.attributes["error.type"] == "LookupError"


def test_counting_tokens_is_no_call(gemini: Any, spans: Any) -> None:
    with pytest.raises(errors.ClientError):
        gemini.models.count_tokens(model=FLASH, contents=NUMBERS)

    assert spans.all() == ()


@pytest.mark.parametrize("way", [leave, close])
def test_a_stream_left_early_keeps_what_it_reported(
    gemini: Any, spans: Any, way: Callable[[Any], None]
) -> None:
    way(gemini.models.generate_content_stream(model=FLASH, contents=NUMBERS))

    expected = {
        "gen_ai.usage.input_tokens": 900,
        "gen_ai.response.finish_reasons": ("error",),
        "spantoll.usage.status": "partial",
    }
    assert shown(spans.attributes(), expected) == expected
    assert spans.one().status.status_code is StatusCode.UNSET


def test_an_error_is_named_as_people_import_it(gemini: Any, spans: Any) -> None:
    with pytest.raises(errors.ClientError):
        gemini.models.generate_content(model=FLASH, contents="#status=429")
    with pytest.raises(errors.ClientError):
        exhaust(gemini.models.generate_content_stream(model=FLASH, contents="#status=400"))

    found = [span.attributes["error.type"] for span in spans.all()]
    assert found == ["google.genai.errors.ClientError"] * 2


def test_uninstrument_puts_the_client_back(gemini: Any, spans: Any) -> None:
    instrumentation.uninstrument()

    gemini.models.generate_content(model=FLASH, contents=NUMBERS)

    assert spans.all() == ()


SPOKEN: dict[str, Any] = {
    "model": FLASH,
    "contents": [
        types.UserContent("the secret ingredient"),
        types.ModelContent(types.Part.from_function_call(name="weather", args={"city": "Oslo"})),
        types.UserContent(
            [
                types.Part.from_function_response(name="weather", response={"it": "fine"}),
                types.Part.from_bytes(data=b"\x89PNG", mime_type="image/png"),
                types.Part.from_uri(file_uri="gs://b/f.pdf", mime_type="application/pdf"),
            ]
        ),
    ],
    "config": types.GenerateContentConfig(
        system_instruction="Be brief.",
        tools=[
            types.Tool(
                function_declarations=[
                    types.FunctionDeclaration(
                        name="weather", parameters_json_schema={"type": "object"}
                    )
                ]
            )
        ],
    ),
}


def test_nothing_of_the_conversation_is_on_a_span(gemini: Any, spans: Any) -> None:
    gemini.models.generate_content(**SPOKEN)
    exhaust(gemini.models.generate_content_stream(**SPOKEN))

    written = " ".join(span.to_json() for span in spans.all())
    assert len(spans.all()) == 2
    for words in ("secret", "brief", "weather", "toll of", "x-goog"):
        assert words not in written


@pytest.mark.parametrize("stream", [False, True])
def test_the_content_is_recorded_where_it_is_captured(
    gemini: Any, spans: Any, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY")
    instrumentation.uninstrument()
    instrumentation.instrument(tracer_provider=spans.provider)

    if stream:
        exhaust(gemini.models.generate_content_stream(**SPOKEN))
    else:
        gemini.models.generate_content(**SPOKEN)

    found = spans.attributes()
    assert found["gen_ai.system_instructions"] == '[{"type":"text","content":"Be brief."}]'
    assert '"parameters":{"type":"object"}' in found["gen_ai.tool.definitions"]
    assert '"content":"the secret ingredient"' in found["gen_ai.input.messages"]
    assert '"name":"weather","arguments":{"city":"Oslo"}' in found["gen_ai.input.messages"]
    assert '"mime_type":"image/png","content":"iVBORw=="' in found["gen_ai.input.messages"]
    assert '"uri":"gs://b/f.pdf"' in found["gen_ai.input.messages"]
    assert found["gen_ai.output.messages"] == (
        '[{"role":"assistant","parts":[{"type":"text","content":"The toll of a span"}],'
        '"finish_reason":"STOP"}]'
    )


def test_calls_are_priced_to_the_nano_dollar(gemini: Any, spans: Any, billed: Any) -> None:
    asked = {"model": FLASH, "contents": "#input=1000 #cached=600 #output=25 #reasoning=5"}
    gemini.models.generate_content(**asked)
    exhaust(gemini.models.generate_content_stream(**asked))

    # ai.google.dev/gemini-api/docs/pricing: 0.30 dollars per million in, 0.03 cached, 2.50 out.
    expected = 400 * 300 + 600 * 30 + 25 * 2_500
    assert [row["cost_nano"] for row in billed()] == [expected] * 2


OLD = """
import asyncio
from google import genai
from google.genai import types

client = genai.Client(api_key="none", http_options=types.HttpOptions(base_url=url))
asked = dict(model="gemini-2.5-flash", contents="Hello #input=100 #output=25 #reasoning=5")
client.models.generate_content(**asked)
for _ in client.models.generate_content_stream(**asked):
    pass
client.chats.create(model="gemini-2.5-flash").send_message(asked["contents"])

async def talk():
    await client.aio.models.generate_content(**asked)
    async for _ in await client.aio.models.generate_content_stream(**asked):
        pass

asyncio.run(talk())
"""


def test_google_genai_1_10_is_read_as_todays_is(older: Any) -> None:
    found = [
        (span["gen_ai.usage.input_tokens"], span["gen_ai.usage.output_tokens"])
        for span in older(OLD, "google-genai==1.10.0")
    ]

    assert found == [(100, 25)] * 5


EMBEDDING = """
from google import genai
from google.genai import types

client = genai.Client(api_key="none", http_options=types.HttpOptions(base_url=url))
answer = client.models.embed_content(model="gemini-embedding-001", contents="#input=9 #counted=1")
assert getattr(answer, "usage_metadata", None) is None
"""


def test_the_tokens_that_google_genai_2_leaves_out_are_read_from_the_body(older: Any) -> None:
    (span,) = older(EMBEDDING, "google-genai==2.0.0")

    assert span["gen_ai.usage.input_tokens"] == 9
    assert span["spantoll.usage.status"] == "reported"
