from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
from opentelemetry import baggage, context

from spantoll import instrumentation
from spantoll.instrumentation import attributes, carry


def attribution_of(span: Any) -> dict[str, Any]:
    found = dict(span.attributes)
    return {key: found[key] for key in found if key.startswith(("spantoll.", "user.", "session."))}


EXPECTED = {"spantoll.customer_id": "acme", "spantoll.request.id": "req_loopback"}
EXPECTED |= {"spantoll.usage.status": "reported"}


def test_known_names_have_columns_and_others_are_metadata(
    client: openai.OpenAI, spans: Any, question: Any
) -> None:
    with attributes(customer_id="acme", user_id="ann", session_id="s1", feature="search", tries=2):
        client.chat.completions.create(**question())

    more = {"user.id": "ann", "session.id": "s1"}
    metadata = {"spantoll.metadata.feature": "search", "spantoll.metadata.tries": 2}
    assert attribution_of(spans.one()) == EXPECTED | more | metadata


def test_nested_blocks_add_up_and_the_inner_one_wins(
    client: openai.OpenAI, spans: Any, question: Any
) -> None:
    with attributes(customer_id="other", project="p", team="t"):
        with attributes(customer_id="acme", team=None):
            client.chat.completions.create(**question())
        with attributes():
            client.chat.completions.create(**question())

    inner, outer = (attribution_of(span) for span in spans.all())
    assert inner == EXPECTED | {"spantoll.project": "p"}
    assert outer["spantoll.customer_id"] == "other"
    assert outer["spantoll.team"] == "t"


def test_nothing_is_left_after_the_block(client: openai.OpenAI, spans: Any, question: Any) -> None:
    with contextlib.suppress(KeyError), attributes(customer_id="acme"):
        raise KeyError
    client.chat.completions.create(**question())

    assert "spantoll.customer_id" not in attribution_of(spans.one())


@attributes(customer_id="acme")
def decorated(client: openai.OpenAI, asked: dict[str, Any]) -> None:
    client.chat.completions.create(**asked)


def test_it_decorates_a_function(client: openai.OpenAI, spans: Any, question: Any) -> None:
    decorated(client, question())

    assert attribution_of(spans.one()) == EXPECTED


async def test_tasks_do_not_mix(
    async_client: openai.AsyncOpenAI, spans: Any, question: Any
) -> None:
    async def work(customer: str) -> None:
        with attributes(customer_id=customer):
            await asyncio.sleep(0)
            await async_client.chat.completions.create(**question(model=f"for-{customer}"))

    await asyncio.gather(*(work(f"c{n}") for n in range(10)))

    pairs = [
        (span.attributes["gen_ai.request.model"], span.attributes["spantoll.customer_id"])
        for span in spans.all()
    ]
    assert sorted(pairs) == sorted((f"for-c{n}", f"c{n}") for n in range(10))


async def test_a_task_inherits_the_block_it_was_made_in(
    async_client: openai.AsyncOpenAI, spans: Any, question: Any
) -> None:
    with attributes(customer_id="acme"):
        task = asyncio.create_task(async_client.chat.completions.create(**question()))
    await task

    assert attribution_of(spans.one()) == EXPECTED


async def test_a_worker_thread_of_asyncio_inherits_the_block(
    client: openai.OpenAI, spans: Any, question: Any
) -> None:
    with attributes(customer_id="acme"):
        await asyncio.to_thread(lambda: client.chat.completions.create(**question()))

    assert attribution_of(spans.one()) == EXPECTED


def test_carry_takes_it_into_any_thread(client: openai.OpenAI, spans: Any, question: Any) -> None:
    def work() -> None:
        client.chat.completions.create(**question())

    with attributes(customer_id="acme"), ThreadPoolExecutor() as pool:
        pool.submit(carry(work)).result()
        thread = threading.Thread(target=carry(work))
        thread.start()
        thread.join()

    assert [attribution_of(span) for span in spans.all()] == [EXPECTED, EXPECTED]


async def test_a_stream_belongs_to_the_block_of_its_request(
    async_client: openai.AsyncOpenAI, spans: Any, question: Any
) -> None:
    with attributes(customer_id="acme"):
        stream = await async_client.chat.completions.create(**question(stream=True))
    with attributes(customer_id="other"):
        async for _ in stream:
            pass

    assert attribution_of(spans.one())["spantoll.customer_id"] == "acme"


async def test_a_generator_closed_in_another_context_logs_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def dependency() -> AsyncIterator[None]:
        with attributes(customer_id="acme"):
            yield

    generator = dependency()
    await asyncio.create_task(anext(generator))  # type: ignore[arg-type]  # an awaitable will do
    await generator.aclose()  # type: ignore[attr-defined]  # it is a generator

    assert caplog.text == ""


def test_it_travels_as_baggage_only_with_propagate(
    client: openai.OpenAI, spans: Any, question: Any
) -> None:
    with attributes(customer_id="acme"):
        silent = baggage.get_all()
    with attributes(propagate=True, customer_id="acme"):
        loud = baggage.get_all()

    assert dict(silent) == {}
    assert dict(loud) == {"spantoll.customer_id": "acme"}


@pytest.fixture
def received() -> Iterator[None]:
    """A request of another service that sent baggage along."""
    sent = baggage.set_baggage("spantoll.customer_id", "acme")
    token = context.attach(baggage.set_baggage("password", "secret", sent))
    yield
    context.detach(token)


@pytest.mark.usefixtures("received")
@pytest.mark.parametrize(("trusted", "customer"), [(True, "acme"), (False, None)])
def test_baggage_of_others_is_taken_only_when_trusted(
    client: openai.OpenAI, question: Any, trusted: bool, customer: str | None, request: Any
) -> None:
    spans = request.getfixturevalue("spans")
    instrumentation.uninstrument()
    instrumentation.instrument(tracer_provider=spans.provider, baggage=trusted)

    client.chat.completions.create(**question())

    assert spans.attributes().get("spantoll.customer_id") == customer
    assert "password" not in spans.attributes()
