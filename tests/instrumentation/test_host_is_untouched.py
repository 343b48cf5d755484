from __future__ import annotations

import copy
import inspect
import logging
import pickle
import threading
from typing import Any

import httpx2
import openai
import pytest
from openai._legacy_response import LegacyAPIResponse
from openai._response import APIResponse
from openai.types.chat import ChatCompletion
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from spantoll import instrumentation
from spantoll.instrumentation import wrap
from spantoll.instrumentation.apis import openai_chat
from spantoll.instrumentation.spans import CallSpan

NUMBERS = {
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 20,
    "gen_ai.response.finish_reasons": ("stop",),
    "spantoll.usage.status": "reported",
}


def shown(found: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    return {key: found.get(key) for key in expected}


def test_a_response_is_the_very_type_of_the_sdk(
    client: openai.OpenAI, spans: Any, question: Any
) -> None:
    response = client.chat.completions.create(**question())

    assert type(response) is ChatCompletion
    assert pickle.loads(pickle.dumps(response)) == response


def test_a_stream_looks_like_the_sdks_own(client: openai.OpenAI, spans: Any, question: Any) -> None:
    with client.chat.completions.create(**question(stream=True)) as stream:
        assert isinstance(stream, openai.Stream)
        assert stream.__class__ is openai.Stream
        assert stream.response.status_code == 200
        assert "openai.Stream" in repr(stream)
        assert isinstance(copy.copy(stream), openai.Stream)
        assert not hasattr(stream, "aclose")
        assert iter(stream) is not None


async def test_an_async_stream_looks_like_the_sdks_own(
    async_client: openai.AsyncOpenAI, spans: Any, question: Any
) -> None:
    stream = await async_client.chat.completions.create(**question(stream=True))
    async with stream as entered:
        assert entered is stream
        assert isinstance(stream, openai.AsyncStream)
        assert inspect.iscoroutinefunction(stream.close)
        assert not hasattr(stream, "__next__")


def test_a_raw_response_is_read_without_parsing_it(
    client: openai.OpenAI, spans: Any, question: Any
) -> None:
    raw = client.chat.completions.with_raw_response.create(**question())

    assert type(raw) is LegacyAPIResponse
    assert shown(spans.attributes(), NUMBERS) == NUMBERS
    assert raw.headers["x-request-id"] == "req_loopback"
    assert isinstance(raw.parse(), ChatCompletion)


async def test_an_async_raw_response_is_read(
    async_client: openai.AsyncOpenAI, spans: Any, question: Any
) -> None:
    raw = await async_client.chat.completions.with_raw_response.create(**question())

    assert shown(spans.attributes(), NUMBERS) == NUMBERS
    assert isinstance(raw.parse(), ChatCompletion)


def test_the_stream_of_a_raw_response_is_one_whole_span(
    client: openai.OpenAI, spans: Any, question: Any
) -> None:
    raw = client.chat.completions.with_raw_response.create(**question(stream=True))
    assert isinstance(raw, LegacyAPIResponse)
    stream = raw.parse()
    assert raw.parse() is stream
    del raw
    assert spans.all() == ()
    chunks = list(stream)

    assert shown(spans.attributes(), NUMBERS) == NUMBERS
    assert all(chunk.choices for chunk in chunks)


async def test_the_stream_of_an_async_raw_response_is_one_whole_span(
    async_client: openai.AsyncOpenAI, spans: Any, question: Any
) -> None:
    raw = await async_client.chat.completions.with_raw_response.create(**question(stream=True))
    async for _ in raw.parse():
        pass

    assert shown(spans.attributes(), NUMBERS) == NUMBERS


def parse(response: Any) -> None:
    response.parse()


def read(response: Any) -> None:
    response.read()


def read_json(response: Any) -> None:
    response.json()


def iterate_bytes(response: Any) -> None:
    assert b"".join(response.iter_bytes(chunk_size=7))


def iterate_lines(response: Any) -> None:
    assert list(response.iter_lines())


def below(response: Any) -> None:
    assert response.http_response.read()


@pytest.mark.parametrize("way", [parse, read, read_json, iterate_bytes, iterate_lines, below])
def test_a_streamed_response_is_seen_however_it_is_read(
    client: openai.OpenAI, spans: Any, question: Any, way: Any
) -> None:
    with client.chat.completions.with_streaming_response.create(**question()) as response:
        assert isinstance(response, APIResponse)
        assert not response.http_response.is_stream_consumed
        way(response)

    assert shown(spans.attributes(), NUMBERS) == NUMBERS
    assert type(response.http_response).__module__.startswith("httpx")


def test_a_streamed_response_that_is_never_read_is_one_span_without_usage(
    client: openai.OpenAI, spans: Any, question: Any
) -> None:
    with client.chat.completions.with_streaming_response.create(**question()) as response:
        pass

    assert response.is_closed
    assert spans.attributes()["spantoll.usage.status"] == "missing"


@pytest.mark.parametrize("way", [parse, iterate_bytes, iterate_lines])
def test_a_streamed_event_stream_is_seen_however_it_is_read(
    client: openai.OpenAI, spans: Any, question: Any, way: Any
) -> None:
    asked = question(stream=True, stream_options={"include_usage": True})
    with client.chat.completions.with_streaming_response.create(**asked) as response:
        if way is parse:
            assert len(list(response.parse())) == 8
        else:
            way(response)

    assert shown(spans.attributes(), NUMBERS) == NUMBERS


async def test_an_async_streamed_response_awaits_nothing_of_its_own(
    async_client: openai.AsyncOpenAI, spans: Any, question: Any
) -> None:
    opened = async_client.chat.completions.with_streaming_response.create(**question())
    async with opened as response:
        assert isinstance(await response.parse(), ChatCompletion)

    assert shown(spans.attributes(), NUMBERS) == NUMBERS


async def test_an_async_streamed_event_stream_is_seen(
    async_client: openai.AsyncOpenAI, spans: Any, question: Any
) -> None:
    asked = question(stream=True, stream_options={"include_usage": True})
    async with async_client.chat.completions.with_streaming_response.create(**asked) as response:
        lines = [line async for line in response.iter_lines()]

    assert lines[-2] == "data: [DONE]"
    assert shown(spans.attributes(), NUMBERS) == NUMBERS


def test_streamed_sound_is_passed_through(client: openai.OpenAI, spans: Any) -> None:
    opened = client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input="Hello there"
    )
    with opened as response:
        sound = b"".join(response.iter_bytes())

    assert sound == b"ID3" * 100
    assert spans.attributes()["spantoll.usage.characters"] == 11


def broken(*_: Any, **__: Any) -> Any:
    raise ZeroDivisionError("a bug of ours")


@pytest.mark.parametrize(
    ("place", "name"),
    [
        (CallSpan, "_merge"),
        (CallSpan, "_settle"),
        (CallSpan, "_read_chunk"),
        (wrap.Emitter, "start_span"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_bug_of_ours_never_reaches_the_caller(
    client: openai.OpenAI,
    spans: Any,
    question: Any,
    monkeypatch: pytest.MonkeyPatch,
    place: Any,
    name: str,
    stream: bool,
) -> None:
    monkeypatch.setattr(place, name, broken)

    answer = client.chat.completions.create(**question(stream=stream))

    assert len(list(answer)) >= 1


def test_a_bug_of_ours_is_logged_once(
    client: openai.OpenAI,
    spans: Any,
    question: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    class OddError(Exception):
        pass

    def odd(*_: Any) -> Any:
        raise OddError

    monkeypatch.setattr(CallSpan, "_merge", odd)

    for _ in range(3):
        client.chat.completions.create(**question())

    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1


def test_an_exporter_that_raises_does_not_break_the_call(
    client: openai.OpenAI, question: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Bad(trace.NoOpTracer):
        def start_span(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError("no")

    class BadProvider(TracerProvider):
        def get_tracer(self, *_: Any, **__: Any) -> Any:
            return Bad()

    instrumentation.instrument(tracer_provider=BadProvider())
    try:
        answer = client.chat.completions.create(**question())
    finally:
        instrumentation.uninstrument()

    assert answer.usage is not None


def test_wrong_arguments_raise_as_before(client: openai.OpenAI, spans: Any) -> None:
    with pytest.raises(TypeError, match="Missing required arguments"):
        client.chat.completions.create(model="gpt-4o-mini")  # type: ignore[call-overload]  # wrong

    assert spans.all() == ()


def test_the_callers_arguments_are_not_changed(
    client: openai.OpenAI, spans: Any, question: Any
) -> None:
    options = {"include_obfuscation": False}
    extra = {"metadata": {"a": "b"}}
    asked = question(stream=True, stream_options=options, extra_body=extra)
    before = copy.deepcopy(asked)

    list(client.chat.completions.create(**asked))

    assert asked == before


def test_no_thread_is_started(client: openai.OpenAI, spans: Any, question: Any) -> None:
    before = threading.active_count()

    list(client.chat.completions.create(**question(stream=True)))
    client.chat.completions.create(**question(stream=True))

    assert threading.active_count() <= before + 1


def test_the_wrapped_function_keeps_its_name_and_signature(spans: Any) -> None:
    request: Any = openai.OpenAI.request

    assert request.__name__ == "request"
    assert "cast_to" in inspect.signature(request).parameters
    assert inspect.iscoroutinefunction(openai.AsyncOpenAI.request)


def test_other_requests_of_the_sdk_make_no_span(client: openai.OpenAI, spans: Any) -> None:
    client.moderations.create(input="hello")

    assert spans.all() == ()


def test_chat_is_read_from_its_table_alone() -> None:
    found = openai_chat.CHAT.read_response(
        {"usage": {"prompt_tokens": "many", "completion_tokens": None}, "choices": "none"}
    )

    assert found == {"gen_ai.usage.input_tokens": "many"}


MISSING = {"spantoll.usage.status": "missing", "gen_ai.usage.input_tokens": None}


def test_a_body_left_half_read_is_one_span_without_usage(
    client: openai.OpenAI, spans: Any, question: Any
) -> None:
    with client.chat.completions.with_streaming_response.create(**question()) as response:
        for _ in response.iter_bytes(chunk_size=10):
            break

    assert shown(spans.attributes(), MISSING) == MISSING


async def test_an_async_body_left_half_read_is_one_span_without_usage(
    async_client: openai.AsyncOpenAI, spans: Any, question: Any
) -> None:
    opened = async_client.chat.completions.with_streaming_response.create(**question())
    async with opened as response:
        async for _ in response.iter_bytes(chunk_size=10):
            break

    assert shown(spans.attributes(), MISSING) == MISSING


def test_a_body_that_breaks_off_is_one_failed_span(
    client: openai.OpenAI, spans: Any, question: Any
) -> None:
    def read_all() -> None:
        opened = client.chat.completions.with_streaming_response.create(
            **question("#cut=3", stream=True)
        )
        with opened as response:
            list(response.iter_lines())

    with pytest.raises(httpx2.RemoteProtocolError):
        read_all()

    assert spans.attributes()["error.type"] == "httpx2.RemoteProtocolError"
    assert spans.attributes()["gen_ai.response.model"] == "gpt-4o-mini-2024-07-18"


async def test_an_async_body_that_breaks_off_is_one_failed_span(
    async_client: openai.AsyncOpenAI, spans: Any, question: Any
) -> None:
    async def read_all() -> None:
        opened = async_client.chat.completions.with_streaming_response.create(
            **question("#cut=3", stream=True)
        )
        async with opened as response:
            async for _ in response.iter_lines():
                pass

    with pytest.raises(httpx2.RemoteProtocolError):
        await read_all()

    assert spans.attributes()["error.type"] == "httpx2.RemoteProtocolError"


def test_the_http_librarys_own_response_is_seen(
    client: openai.OpenAI, spans: Any, question: Any
) -> None:
    response = client.post("/chat/completions", cast_to=httpx2.Response, body=question())

    assert type(response) is httpx2.Response
    assert shown(spans.attributes(), NUMBERS) == NUMBERS


def test_a_response_that_is_pickled_when_closed_is_as_before(
    client: openai.OpenAI, spans: Any, question: Any
) -> None:
    with client.chat.completions.with_streaming_response.create(**question()) as response:
        response.read()

    again = pickle.loads(pickle.dumps(response.http_response))
    assert again.content == response.http_response.content


def test_an_unparsable_body_is_one_span_without_usage(client: openai.OpenAI, spans: Any) -> None:
    answer = httpx2.Response(200, headers={"content-type": "application/json"}, text="{oops")
    http = httpx2.Client(transport=httpx2.MockTransport(lambda _: answer))
    mocked = openai.OpenAI(api_key="none", http_client=http)
    asked: dict[str, Any] = {"model": "m", "messages": []}

    raw = mocked.chat.completions.with_raw_response.create(**asked)
    with mocked.chat.completions.with_streaming_response.create(**asked) as streamed:
        streamed.read()

    assert raw.http_response.text == "{oops"
    assert [span.attributes["spantoll.usage.status"] for span in spans.all()] == ["missing"] * 2
