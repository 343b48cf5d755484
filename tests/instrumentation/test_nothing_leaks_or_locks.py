from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider

from spantoll import instrumentation
from spantoll.instrumentation import abandoned

CHUNK = (
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m",'
    b'"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}\n\n'
)
ASKED: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "x"}]}


class Locked(SpanProcessor):
    """A processor with a lock of its own, as batch processors and metric readers have."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.ended = 0

    def on_end(self, span: ReadableSpan) -> None:
        with self.lock:
            self.ended += 1


@pytest.fixture
def locked() -> Iterator[Locked]:
    processor = Locked()
    provider = TracerProvider()
    provider.add_span_processor(processor)
    instrumentation.instrument(tracer_provider=provider)
    yield processor
    instrumentation.uninstrument()


@pytest.fixture
def quick() -> Iterator[openai.OpenAI]:
    """A client whose streams come without a network."""

    def answer(_: httpx2.Request) -> httpx2.Response:
        kind = {"content-type": "text/event-stream"}
        return httpx2.Response(200, headers=kind, content=CHUNK * 3 + b"data: [DONE]\n\n")

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    with openai.OpenAI(api_key="none", http_client=http) as client:
        yield client


def eventually(condition: Any) -> bool:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.001)
    return bool(condition())


def test_a_collection_inside_a_lock_of_the_processor_does_not_lock_up(
    locked: Locked, quick: openai.OpenAI
) -> None:
    gc.disable()
    try:
        cycle: dict[str, Any] = {"stream": quick.chat.completions.create(**ASKED, stream=True)}
        cycle["self"] = cycle
        del cycle

        def collect() -> None:
            with locked.lock:
                gc.collect()

        thread = threading.Thread(target=collect, daemon=True)
        thread.start()
        thread.join(10)
    finally:
        gc.enable()

    assert not thread.is_alive()
    assert eventually(lambda: locked.ended == 1)


def test_where_no_thread_starts_the_span_ends_in_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr("_thread.start_new_thread", refuse)
    monkeypatch.setattr(abandoned, "_collecting", {threading.get_ident()})
    ended: list[bool] = []

    abandoned.run_unlocked(lambda: ended.append(True))

    assert ended == [True]


def test_the_watch_on_the_collector_is_taken_back() -> None:
    before = list(gc.callbacks)

    instrumentation.instrument()
    instrumentation.instrument()
    during = len(gc.callbacks)
    instrumentation.uninstrument()

    assert during == len(before) + 1
    assert gc.callbacks == before


@pytest.mark.parametrize("way", ["read", "left", "closed", "never read"])
def test_streams_leave_nothing_behind(locked: Locked, quick: openai.OpenAI, way: str) -> None:
    def once() -> None:
        stream = quick.chat.completions.create(**ASKED, stream=True)
        if way == "read":
            list(stream)
        elif way == "left":
            next(iter(stream))
        elif way == "closed":
            stream.close()

    def rest() -> int:
        gc.collect()
        return sum(1 for _ in filter(_is_ours, gc.get_objects()))

    for _ in range(20):
        once()
    before = rest()
    for _ in range(200):
        once()

    assert rest() <= before
    assert locked.ended == 220


def _is_ours(thing: object) -> bool:
    module = getattr(type(thing), "__module__", None)
    return isinstance(module, str) and module.startswith(("spantoll.instrumentation", "openai._st"))


def test_a_stream_is_freed_as_soon_as_it_was_before(locked: Locked, quick: openai.OpenAI) -> None:
    stream = quick.chat.completions.create(**ASKED, stream=True)
    response = weakref.ref(stream.response)
    list(stream)
    del stream
    gc.collect()

    assert response() is None


async def test_thousands_of_streams_at_once_make_as_many_spans(locked: Locked) -> None:
    async def answer(_: httpx2.Request) -> httpx2.Response:
        kind = {"content-type": "text/event-stream"}
        return httpx2.Response(200, headers=kind, content=CHUNK * 3 + b"data: [DONE]\n\n")

    http = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    async with openai.AsyncOpenAI(api_key="none", http_client=http) as client:

        async def listen(number: int) -> None:
            stream = await client.chat.completions.create(**ASKED, stream=True)
            async for _ in stream:
                await asyncio.sleep(0)
                if number % 3 == 0:
                    break
            if number % 3 == 1:
                await stream.close()

        await asyncio.gather(*(listen(number) for number in range(1000)))
    gc.collect()

    assert eventually(lambda: locked.ended == 1000)
