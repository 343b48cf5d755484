from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import anthropic
import httpx2
import pytest
from opentelemetry.trace import SpanKind, StatusCode
from pydantic import BaseModel

from spantoll import instrumentation
from tests.instrumentation.scenes import (
    Case,
    cancel,
    cases,
    close,
    exhaust,
    leave,
    leave_with,
    select_keys,
)

NUMBERS = "Hello #input=1000 #cached=600 #written=100 #written1h=50 #output=20 #reasoning=5"
ASKED: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": NUMBERS}],
}
CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": "claude-haiku-4-5",
    "gen_ai.response.model": "claude-haiku-4-5",
    "gen_ai.request.max_tokens": 100,
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.cache_read.input_tokens": 600,
    "gen_ai.usage.cache_write.input_tokens": 150,
    "gen_ai.usage.cache_creation.input_tokens": 150,
    "spantoll.usage.cache_write_1h.input_tokens": 50,
    "gen_ai.usage.output_tokens": 20,
    "gen_ai.usage.reasoning.output_tokens": 5,
    "gen_ai.response.finish_reasons": ("end_turn",),
    "spantoll.response.service_tier": "standard",
    "spantoll.usage.status": "reported",
}
STREAM = CHAT | {"gen_ai.request.stream": True}
ABORTED = {
    "gen_ai.response.finish_reasons": ("error",),
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.cache_read.input_tokens": 600,
    "spantoll.usage.status": "partial",
}


class Answer(BaseModel):
    number: int


def request(script: str = "", **more: Any) -> dict[str, Any]:
    return ASKED | {"messages": [{"role": "user", "content": f"{NUMBERS} {script}"}]} | more


PLAIN: dict[str, Case] = {
    "create": (lambda c: c.messages.create(**ASKED), CHAT),
    "beta create": (lambda c: c.beta.messages.create(**ASKED), CHAT),
    "raw response": (lambda c: c.messages.with_raw_response.create(**ASKED), CHAT),
    "searches": (
        lambda c: c.messages.create(**request("#searches=2")),
        CHAT | {"spantoll.usage.units.web_searches": 2},
    ),
    "a compaction is billed beside the totals": (
        lambda c: c.beta.messages.create(**request("#compacted=300")),
        CHAT | {"gen_ai.usage.input_tokens": 1300, "gen_ai.usage.output_tokens": 27},
    ),
    "speed and place": (
        lambda c: c.beta.messages.create(**request(speed="fast", inference_geo="us")),
        CHAT | {"spantoll.response.speed": "fast", "spantoll.region": "us"},
    ),
    "a place that is not one": (
        lambda c: c.messages.create(**request(inference_geo="global")),
        CHAT | {"spantoll.region": None},
    ),
    "settings": (
        lambda c: c.messages.create(
            **request(
                # Arguments of the SDK before 2.0; gateways still take them.
                extra_body={"temperature": 0.2, "top_p": 0.9, "top_k": 40, "speed": "fast"},
                stop_sequences=["END"],
                service_tier="standard_only",
                output_config={"effort": "low"},
            )
        ),
        CHAT
        | {
            "gen_ai.request.temperature": 0.2,
            "gen_ai.request.top_p": 0.9,
            "gen_ai.request.top_k": 40,
            "gen_ai.request.stop_sequences": ("END",),
            "gen_ai.request.reasoning.level": "low",
            "spantoll.request.service_tier": "standard_only",
            "spantoll.request.speed": "fast",
            "spantoll.request.id": "req_loopback",
        },
    ),
}
STREAMED: dict[str, Case] = {
    "create": (lambda c: c.messages.create(**ASKED, stream=True), STREAM),
    "beta create": (lambda c: c.beta.messages.create(**ASKED, stream=True), STREAM),
    "a compaction": (
        lambda c: c.beta.messages.create(**request("#compacted=300", stream=True)),
        STREAM | {"gen_ai.usage.input_tokens": 1300, "gen_ai.usage.output_tokens": 27},
    ),
}


@pytest.fixture
def claude(provider: Any) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(api_key="none", base_url=provider.url, max_retries=0) as made:
        yield made


@pytest.fixture
async def async_claude(provider: Any) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(
        api_key="none", base_url=provider.url, max_retries=0
    ) as made:
        yield made


@cases(PLAIN)
def test_each_operation_reports_its_usage(
    claude: Any, spans: Any, call: Callable[[Any], Any], expected: dict[str, Any]
) -> None:
    call(claude)

    assert select_keys(spans.attributes(), expected) == expected
    assert spans.only_span().name == "chat claude-haiku-4-5"
    assert spans.only_span().kind is SpanKind.CLIENT


@cases(PLAIN)
async def test_each_async_operation_reports_its_usage(
    async_claude: Any,
    spans: Any,
    call: Callable[[Any], Awaitable[Any]],
    expected: dict[str, Any],
) -> None:
    await call(async_claude)

    assert select_keys(spans.attributes(), expected) == expected


@cases(STREAMED)
def test_each_stream_reports_its_usage(
    claude: Any, spans: Any, call: Callable[[Any], Any], expected: dict[str, Any]
) -> None:
    stream = call(claude)
    exhaust(stream)

    assert isinstance(stream, anthropic.Stream)
    assert select_keys(spans.attributes(), expected) == expected
    assert spans.attributes()["gen_ai.response.time_to_first_chunk"] > 0


@cases(STREAMED)
async def test_each_async_stream_reports_its_usage(
    async_claude: Any,
    spans: Any,
    call: Callable[[Any], Awaitable[Any]],
    expected: dict[str, Any],
) -> None:
    stream: Any = await call(async_claude)
    async for _ in stream:
        pass

    assert isinstance(stream, anthropic.AsyncStream)
    assert select_keys(spans.attributes(), expected) == expected


@pytest.mark.parametrize("api", ["messages", "beta.messages"])
def test_the_stream_helper_works_as_before(claude: Any, spans: Any, api: str) -> None:
    messages: Any = claude.beta.messages if "beta" in api else claude.messages

    with messages.stream(**ASKED) as stream:
        words = "".join(stream.text_stream)
        final = stream.get_final_message()

    assert words == "The toll of a span"
    assert final.usage.output_tokens == 20
    assert select_keys(spans.attributes(), STREAM) == STREAM


async def test_the_async_stream_helper_works_as_before(async_claude: Any, spans: Any) -> None:
    async with async_claude.messages.stream(**ASKED) as stream:
        final = await stream.get_final_message()

    assert final.usage.output_tokens == 20
    assert select_keys(spans.attributes(), STREAM) == STREAM


def test_the_parse_helper_reports_what_was_billed(claude: Any, spans: Any) -> None:
    with pytest.raises(ValueError, match="Invalid JSON"):
        claude.messages.parse(**ASKED, output_format=Answer)

    assert select_keys(spans.attributes(), {"gen_ai.usage.input_tokens": 1000}) == {
        "gen_ai.usage.input_tokens": 1000
    }


def test_the_parse_helper_works_as_before(claude: Any, spans: Any) -> None:
    answer = claude.messages.parse(**request("#answer=7"), output_format=Answer)

    assert answer.parsed_output == Answer(number=7)
    expected = CHAT | {"gen_ai.output.type": "json"}
    assert select_keys(spans.attributes(), expected) == expected


def test_attempts_that_were_refused_cost_nothing(
    provider: Any, spans: Any, billed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anthropic._constants.INITIAL_RETRY_DELAY", 0.01)
    with anthropic.Anthropic(api_key="none", base_url=provider.url, max_retries=2) as claude:
        claude.messages.create(**request("#refused=2"))

    assert len(provider.asked) == 3
    assert select_keys(spans.attributes(), CHAT) == CHAT
    assert len(billed()) == 1


def test_a_tool_runner_counts_each_request(claude: Any, spans: Any, billed: Any) -> None:
    results = iter([f"look again #tool=weather {NUMBERS}", f"fine {NUMBERS}"])

    @anthropic.beta_tool
    def weather(city: str) -> str:
        """Return the weather of a city."""
        return f"{city}: {next(results)}"

    runner = claude.beta.messages.tool_runner(**request("#tool=weather"), tools=[weather])
    runner.until_done()

    ended = [span.attributes["gen_ai.response.finish_reasons"] for span in spans.all()]
    assert ended == [("tool_use",), ("tool_use",), ("end_turn",)]
    assert [row["input_tokens"] for row in billed()] == [1000] * 3


def test_a_streaming_response_is_read_by_the_caller_alone(claude: Any, spans: Any) -> None:
    with claude.messages.with_streaming_response.create(**ASKED, stream=True) as response:
        body = b"".join(response.iter_bytes())

    assert body.startswith(b"event: message_start")
    assert select_keys(spans.attributes(), STREAM) == STREAM


def test_counting_tokens_is_no_call(claude: Any, spans: Any) -> None:
    counted = claude.messages.count_tokens(model=ASKED["model"], messages=ASKED["messages"])

    assert counted.input_tokens == 1000

    assert [span for span in spans.all() if "spantoll" in span.instrumentation_scope.name] == []


@pytest.mark.parametrize("way", [leave, close, leave_with])
def test_a_stream_left_early_keeps_what_it_reported(
    claude: Any, spans: Any, way: Callable[[Any], None]
) -> None:
    way(claude.messages.create(**ASKED, stream=True))

    assert select_keys(spans.attributes(), ABORTED) == ABORTED
    assert spans.only_span().status.status_code is StatusCode.UNSET


def test_a_stream_helper_left_early_keeps_what_it_reported(claude: Any, spans: Any) -> None:
    with claude.messages.stream(**ASKED) as stream:
        next(iter(stream))

    assert select_keys(spans.attributes(), ABORTED) == ABORTED


async def test_a_cancelled_task_ends_the_span_once(async_claude: Any, spans: Any) -> None:
    async def talk(reading: asyncio.Event) -> None:
        async for _ in await async_claude.messages.create(**request("#pause=50", stream=True)):
            reading.set()

    await cancel(talk)

    assert spans.attributes()["gen_ai.usage.input_tokens"] == 1000
    assert spans.attributes()["spantoll.usage.status"] == "partial"


def test_a_server_that_hangs_up_is_one_failed_span(claude: Any, spans: Any) -> None:
    with pytest.raises(httpx2.RemoteProtocolError):
        exhaust(claude.messages.create(**request("#cut=3", stream=True)))

    assert select_keys(spans.attributes(), ABORTED) == ABORTED
    assert spans.attributes()["error.type"] == "httpx2.RemoteProtocolError"


def test_an_error_event_inside_a_stream_is_one_failed_span(claude: Any, spans: Any) -> None:
    with pytest.raises(anthropic.APIStatusError):
        exhaust(claude.messages.create(**request("#broken=2", stream=True)))

    assert select_keys(spans.attributes(), ABORTED) == ABORTED
    assert spans.only_span().status.status_code is StatusCode.ERROR


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "anthropic.BadRequestError"),
        (429, "anthropic.RateLimitError"),
        (500, "anthropic.InternalServerError"),
    ],
)
def test_an_error_is_named_as_people_import_it(
    claude: Any, spans: Any, status: int, kind: str
) -> None:
    with pytest.raises(anthropic.APIStatusError):
        claude.messages.create(**request(f"#status={status}"))

    assert spans.attributes()["error.type"] == kind
    assert "spantoll.usage.status" not in spans.attributes()


def test_uninstrument_puts_the_client_back(claude: Any, spans: Any) -> None:
    instrumentation.uninstrument()

    claude.messages.create(**ASKED)

    assert spans.all() == ()


TOOL = {"name": "weather", "description": "Returns it", "input_schema": {"type": "object"}}
SPOKEN: dict[str, Any] = request(
    system="Be brief.",
    tools=[TOOL],
    messages=[
        {"role": "user", "content": "the secret ingredient"},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Let me see."},
                {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Oslo"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "fine"},
                {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"},
                },
                {"type": "document", "source": {"type": "file", "file_id": "f1"}},
            ],
        },
    ],
)


def test_nothing_of_the_conversation_is_on_a_span(claude: Any, spans: Any) -> None:
    claude.messages.create(**SPOKEN)
    exhaust(claude.messages.create(**SPOKEN, stream=True))

    written = " ".join(span.to_json() for span in spans.all())
    assert len(spans.all()) == 2
    for words in ("secret", "brief", "weather", "toll of", "x-api-key"):
        assert words not in written


@pytest.mark.parametrize("stream", [False, True])
def test_the_content_is_recorded_where_it_is_captured(
    claude: Any, spans: Any, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY")
    instrumentation.uninstrument()
    instrumentation.instrument(tracer_provider=spans.provider)

    result = claude.messages.create(**SPOKEN, stream=stream)
    if stream:
        exhaust(result)

    found = spans.attributes()
    assert found["gen_ai.system_instructions"] == '[{"type":"text","content":"Be brief."}]'
    assert '"parameters":{"type":"object"}' in found["gen_ai.tool.definitions"]
    assert '"type":"tool_call","id":"t1","name":"weather"' in found["gen_ai.input.messages"]
    assert (
        '"type":"tool_call_response","id":"t1","response":"fine"' in found["gen_ai.input.messages"]
    )
    assert '"mime_type":"image/png","content":"iVBO"' in found["gen_ai.input.messages"]
    assert '"file_id":"f1"' in found["gen_ai.input.messages"]
    assert found["gen_ai.output.messages"] == (
        '[{"role":"assistant","parts":[{"type":"text","content":"The toll of a span"}],'
        '"finish_reason":"end_turn"}]'
    )


def test_a_call_is_priced_to_the_nano_dollar(claude: Any, spans: Any, billed: Any) -> None:
    claude.messages.create(**ASKED)
    exhaust(claude.messages.create(**ASKED, stream=True))

    # claude-haiku-4-5: 1 dollar per million in, 0.10 read, 1.25 written, 2 written for an hour,
    # 5 out (platform.claude.com/docs/en/about-claude/pricing): in nano-dollars a token.
    expected = 250 * 1_000 + 600 * 100 + 100 * 1_250 + 50 * 2_000 + 20 * 5_000
    assert [row["cost_nano"] for row in billed()] == [expected] * 2
    assert {row["pricing_status"] for row in billed()} == {"priced"}


OLD = """
import anthropic

client = anthropic.Anthropic(api_key="none", base_url=url, max_retries=0)
request = {
    "model": "claude-haiku-4-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Hello #input=1000 #cached=600 #output=20"}],
}
client.messages.create(**request)
for _ in client.messages.create(**request, stream=True):
    pass
with client.messages.stream(**request) as stream:
    stream.get_final_message()
client.beta.messages.create(**request)
"""


def test_anthropic_0_50_is_read_as_todays_is(older: Any) -> None:
    found = [
        (span["gen_ai.usage.input_tokens"], span["gen_ai.usage.output_tokens"])
        for span in older(OLD, "anthropic==0.50.0", "httpx<0.28")
    ]

    assert found == [(1000, 20)] * 4
