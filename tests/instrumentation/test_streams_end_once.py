from __future__ import annotations

import asyncio
import contextlib
import copy
import gc
import threading
import time
from collections.abc import Callable
from typing import Any

import openai
import pytest
from opentelemetry import trace
from opentelemetry.trace import StatusCode

from tests.instrumentation.scenes import cancel, exhaust, leave, shown

ABORTED = {
    "gen_ai.response.finish_reasons": ("error",),
    "gen_ai.usage.input_tokens": None,
    "spantoll.usage.status": "missing",
}


def exhaust_by_next(stream: Any) -> None:
    with contextlib.suppress(StopIteration):
        while True:
            next(stream)


def exhaust_and_close(stream: Any) -> None:
    with stream:
        exhaust(stream)
    stream.close()
    exhaust(stream)


def leave_and_come_back(stream: Any) -> None:
    for _ in stream:
        break
    exhaust(stream)


def exhaust_a_copy(stream: Any) -> None:
    exhaust(copy.copy(stream))


@pytest.mark.parametrize(
    "way",
    [exhaust, exhaust_by_next, exhaust_and_close, leave_and_come_back, exhaust_a_copy],
)
def test_a_stream_read_to_its_end_is_one_whole_span(
    client: openai.OpenAI, spans: Any, question: Any, way: Callable[[Any], None]
) -> None:
    stream = client.chat.completions.create(**question(stream=True))

    way(stream)
    del stream

    assert spans.attributes()["gen_ai.usage.input_tokens"] == 100
    assert spans.attributes()["spantoll.usage.status"] == "reported"


def never_read(stream: Any) -> None:
    del stream


def close(stream: Any) -> None:
    next(stream)
    stream.close()


def leave_with(stream: Any) -> None:
    with stream:
        next(stream)


def close_below(stream: Any) -> None:
    next(stream)
    stream.response.close()


@pytest.mark.parametrize("way", [leave, close, leave_with, close_below])
def test_a_stream_left_early_is_one_span_without_invented_usage(
    client: openai.OpenAI, spans: Any, question: Any, way: Callable[[Any], None]
) -> None:
    way(client.chat.completions.create(**question(stream=True)))

    assert shown(spans.attributes(), ABORTED) == ABORTED
    assert spans.one().status.status_code is StatusCode.UNSET


def test_a_stream_never_read_is_one_span(client: openai.OpenAI, spans: Any, question: Any) -> None:
    client.chat.completions.create(**question(stream=True))

    assert spans.attributes()["spantoll.usage.status"] == "missing"
    assert "gen_ai.response.time_to_first_chunk" not in spans.attributes()


def test_a_helper_stream_left_early_ends_its_span_at_once(
    client: openai.OpenAI, spans: Any, question: Any
) -> None:
    with client.chat.completions.stream(**question()) as stream:
        next(iter(stream))

    assert shown(spans.attributes(), ABORTED) == ABORTED


def test_a_caller_that_breaks_inside_the_block_marks_the_span(
    client: openai.OpenAI, spans: Any, question: Any
) -> None:
    def talk() -> None:
        with client.chat.completions.create(**question(stream=True)) as stream:
            next(stream)
            raise KeyError("caller")

    with pytest.raises(KeyError):
        talk()

    assert spans.attributes()["error.type"] == "KeyError"
    assert spans.one().status.status_code is StatusCode.ERROR
    assert "caller" not in (spans.one().status.description or "")


def test_a_server_that_hangs_up_is_one_failed_span(
    client: openai.OpenAI, spans: Any, question: Any
) -> None:
    with pytest.raises(openai.APIConnectionError):
        exhaust(client.chat.completions.create(**question("#cut=3", stream=True)))

    expected = ABORTED | {"error.type": "openai.APIConnectionError"}
    assert shown(spans.attributes(), expected) == expected


def test_a_stream_without_any_usage_has_the_status_missing(
    client: openai.OpenAI, spans: Any, question: Any
) -> None:
    with pytest.raises(openai.APIConnectionError):
        exhaust(client.chat.completions.create(**question("#cut=0", stream=True)))

    expected = {
        "spantoll.usage.status": "missing",
        "error.type": "openai.APIConnectionError",
        "gen_ai.response.time_to_first_chunk": None,
    }
    assert shown(spans.attributes(), expected) == expected


def test_a_refused_call_misses_no_usage(client: openai.OpenAI, spans: Any, question: Any) -> None:
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(**question("#status=429"))

    assert "spantoll.usage.status" not in spans.attributes()


def test_an_error_event_inside_a_stream_is_one_failed_span(
    client: openai.OpenAI, spans: Any, question: Any
) -> None:
    with pytest.raises(openai.APIError):
        exhaust(client.chat.completions.create(**question("#broken=2", stream=True)))

    assert spans.attributes()["error.type"] == "openai.APIError"


def test_usage_reported_before_the_caller_left_is_kept(
    client: openai.OpenAI, spans: Any, question: Any
) -> None:
    asked = question(stream=True, stream_options={"include_usage": True})
    for chunk in client.chat.completions.create(**asked):
        if chunk.usage is not None:
            break

    expected = {"gen_ai.usage.output_tokens": 20, "spantoll.usage.status": "reported"}
    assert shown(spans.attributes(), expected) == expected


def test_a_span_ends_when_the_caller_left_not_when_the_stream_went_away(
    client: openai.OpenAI, spans: Any, question: Any
) -> None:
    stream = client.chat.completions.create(**question(stream=True))
    leave(stream)
    left_ns = time.time_ns()
    time.sleep(0.05)
    del stream

    assert spans.one().end_time <= left_ns


def test_a_stream_collected_in_another_thread_is_one_span(
    client: openai.OpenAI, spans: Any, question: Any
) -> None:
    gc.disable()
    try:
        holder: dict[str, Any] = {"stream": client.chat.completions.create(**question(stream=True))}
        holder["self"] = holder
        next(holder["stream"])
        del holder
        collector = threading.Thread(target=gc.collect)
        collector.start()
        collector.join()
    finally:
        gc.enable()

    deadline = time.monotonic() + 10
    while not spans.all() and time.monotonic() < deadline:
        time.sleep(0.001)
    assert shown(spans.attributes(), ABORTED) == ABORTED


def test_two_threads_that_end_a_stream_make_one_span(
    client: openai.OpenAI, spans: Any, question: Any
) -> None:
    stream = client.chat.completions.create(**question(stream=True))
    next(stream)
    barrier = threading.Barrier(8)

    def end() -> None:
        barrier.wait()
        stream.close()

    threads = [threading.Thread(target=end) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(spans.all()) == 1


async def test_an_async_stream_read_to_its_end_is_one_whole_span(
    async_client: openai.AsyncOpenAI, spans: Any, question: Any
) -> None:
    stream = await async_client.chat.completions.create(**question(stream=True))
    async with stream:
        async for _ in stream:
            pass
    await stream.close()

    assert spans.attributes()["gen_ai.usage.input_tokens"] == 100


async def test_an_async_stream_read_by_anext_is_one_whole_span(
    async_client: openai.AsyncOpenAI, spans: Any, question: Any
) -> None:
    stream = await async_client.chat.completions.create(**question(stream=True))
    with contextlib.suppress(StopAsyncIteration):
        while True:
            await anext(stream)

    assert spans.attributes()["spantoll.usage.status"] == "reported"


async def test_an_async_stream_left_early_is_one_span(
    async_client: openai.AsyncOpenAI, spans: Any, question: Any
) -> None:
    stream = await async_client.chat.completions.create(**question(stream=True))
    async with stream:
        async for _ in stream:
            break

    assert shown(spans.attributes(), ABORTED) == ABORTED


async def test_an_async_stream_closed_by_another_task_is_one_span(
    async_client: openai.AsyncOpenAI, spans: Any, question: Any
) -> None:
    stream = await async_client.chat.completions.create(**question(stream=True))
    await anext(stream)
    await asyncio.create_task(stream.close())

    assert shown(spans.attributes(), ABORTED) == ABORTED


async def test_a_cancelled_task_is_one_span_with_that_error(
    async_client: openai.AsyncOpenAI, spans: Any, question: Any
) -> None:
    async def listen(first: asyncio.Event) -> None:
        stream = await async_client.chat.completions.create(**question("#pause=500", stream=True))
        async with stream:
            async for _ in stream:
                first.set()

    await cancel(listen)

    assert spans.attributes()["error.type"] == "asyncio.CancelledError"


async def test_a_request_cancelled_before_its_answer_is_one_span(
    async_client: openai.AsyncOpenAI, spans: Any, question: Any
) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await async_client.chat.completions.create(**question("#wait=500"))

    assert spans.attributes()["error.type"] == "asyncio.CancelledError"


async def test_a_stream_ends_in_a_context_other_than_its_own(
    async_client: openai.AsyncOpenAI, spans: Any, question: Any, caplog: Any
) -> None:
    stream = await async_client.chat.completions.create(**question(stream=True))

    async def read() -> None:
        async for _ in stream:
            pass

    await asyncio.create_task(read())

    assert len(spans.all()) == 1
    assert "detach" not in caplog.text


async def test_the_span_is_not_current_in_the_body_of_the_loop(
    async_client: openai.AsyncOpenAI, spans: Any, question: Any
) -> None:
    seen = set()
    async for _ in await async_client.chat.completions.create(**question(stream=True)):
        seen.add(trace.get_current_span().get_span_context().is_valid)

    assert seen == {False}
