"""Google's interactions API: a span per request, usage once, in both generations of its client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google import genai

from spantoll.instrumentation.providers.google_genai import interactions
from tests.instrumentation.scenes import aexhaust, exhaust, leave, select_keys

MODEL = "gemini-2.5-flash"
SCRIPT = "Hello #input=100 #cached=60 #output=20 #reasoning=5"
READ = {
    "gen_ai.operation.name": "generate_content",
    "gen_ai.provider.name": "gcp.gemini",
    "gen_ai.response.model": MODEL,
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.text.input_tokens": 100,
    "gen_ai.usage.cache_read.input_tokens": 60,
    "gen_ai.usage.output_tokens": 20,
    "gen_ai.usage.text.output_tokens": 15,
    "gen_ai.usage.reasoning.output_tokens": 5,
    "gen_ai.response.finish_reasons": ("stop",),
    "spantoll.usage.status": "reported",
}
ASKED = {"gen_ai.request.model": MODEL, "server.address": "127.0.0.1"}
COST_NANO = 40 * 300 + 60 * 30 + 20 * 2_500
"""ai.google.dev/gemini-api/docs/pricing: 0.30 dollars per million in, 0.03 cached, 2.50 out."""


@pytest.fixture(autouse=True)
def nothing_reported() -> Iterator[None]:
    interactions._reported.clear()
    yield
    interactions._reported.clear()


@pytest.fixture
def gemini(provider: Any) -> Iterator[Any]:
    options = genai.types.HttpOptions(base_url=provider.url)
    with genai.Client(api_key="none", http_options=options) as client:
        yield client.interactions


@pytest.fixture
def async_gemini(provider: Any) -> Any:
    options = genai.types.HttpOptions(base_url=provider.url)
    return genai.Client(api_key="none", http_options=options).aio


def test_an_interaction_reports_its_usage_and_is_billed(
    gemini: Any, spans: Any, billed: Any
) -> None:
    answer = gemini.create(
        model=MODEL,
        input=SCRIPT,
        generation_config={"temperature": 0.25, "max_output_tokens": 50},
        labels={"team": "search"},
        previous_interaction_id="before",
    )

    expected = READ | ASKED
    expected |= {"gen_ai.request.temperature": 0.25, "gen_ai.request.max_tokens": 50}
    expected |= {"spantoll.team": "search", "session.id": "before"}
    assert answer.output_text == "The toll of a span"
    assert select_keys(spans.attributes(), expected) == expected
    assert [row["cost_nano"] for row in billed()] == [COST_NANO]


async def test_an_async_interaction_reports_its_usage(async_gemini: Any, spans: Any) -> None:
    async with async_gemini as client:
        await client.interactions.create(model=MODEL, input=SCRIPT)

    assert select_keys(spans.attributes(), READ | ASKED) == READ | ASKED


def test_a_stream_reports_its_usage_at_its_end(gemini: Any, spans: Any) -> None:
    found = list(gemini.create(model=MODEL, input=SCRIPT, stream=True))

    expected = READ | ASKED | {"gen_ai.request.stream": True}
    assert found[-1].event_type == "interaction.completed"
    assert select_keys(spans.attributes(), expected) == expected
    assert spans.attributes()["gen_ai.response.time_to_first_chunk"] > 0


async def test_an_async_stream_reports_its_usage_at_its_end(async_gemini: Any, spans: Any) -> None:
    async with async_gemini as client:
        await aexhaust(await client.interactions.create(model=MODEL, input=SCRIPT, stream=True))

    assert select_keys(spans.attributes(), READ | ASKED) == READ | ASKED


def test_a_stream_that_is_closed_reports_what_it_had(gemini: Any, spans: Any) -> None:
    stream = gemini.create(model=MODEL, input=SCRIPT, stream=True)
    leave(stream)
    stream.close()

    assert spans.attributes()["spantoll.usage.status"] == "missing"
    assert spans.only_span().status.is_ok


@pytest.mark.parametrize("stream", [False, True])
def test_each_request_of_a_continued_interaction_is_a_call(
    gemini: Any, spans: Any, stream: bool
) -> None:
    answer = gemini.create(model=MODEL, input=f"{SCRIPT} #continue=1", stream=stream)
    if stream:
        exhaust(answer)

    found = [
        (
            span.attributes["gen_ai.usage.input_tokens"],
            span.attributes["gen_ai.response.finish_reasons"],
        )
        for span in spans.all()
    ]
    assert found == [(100, ("length",)), (100, ("stop",))]


@pytest.mark.parametrize("stream", [False, True])
def test_a_raw_response_reports_its_usage(gemini: Any, spans: Any, stream: bool) -> None:
    response = gemini.with_raw_response.create(model=MODEL, input=SCRIPT, stream=stream)
    answer = response.parse()
    if stream:
        exhaust(answer)

    assert select_keys(spans.attributes(), READ | ASKED) == READ | ASKED


@pytest.mark.parametrize("stream", [False, True])
def test_an_interaction_in_the_background_is_billed_when_it_is_read(
    gemini: Any, spans: Any, billed: Any, stream: bool
) -> None:
    made = gemini.create(model=MODEL, input=SCRIPT, background=True)
    for _ in range(2):
        answer = gemini.get(made.id, stream=stream)
        if stream:
            exhaust(answer)

    assert spans.all()[0].attributes["spantoll.usage.status"] == "missing"
    assert select_keys(dict(spans.all()[1].attributes), READ) == READ
    assert len(spans.all()) == 2
    assert [row["cost_nano"] for row in billed()] == [COST_NANO]


def test_reading_what_was_reported_is_no_call(gemini: Any, spans: Any) -> None:
    made = gemini.create(model=MODEL, input=SCRIPT)
    gemini.get(made.id)

    assert len(spans.all()) == 1


def test_reading_it_in_another_process_bills_it_once(gemini: Any, spans: Any, billed: Any) -> None:
    made = gemini.create(model=MODEL, input=SCRIPT)
    interactions._reported.clear()
    gemini.get(made.id)

    assert len(spans.all()) == 2
    assert [row["cost_nano"] for row in billed()] == [COST_NANO]


def test_an_agent_is_named_as_the_model(gemini: Any, spans: Any) -> None:
    agent = "deep-research-pro-preview-12-2025"
    made = gemini.create(agent=agent, input=f"{SCRIPT} #searches=3", background=True)
    gemini.get(made.id)

    assert spans.all()[0].attributes["gen_ai.request.model"] == agent


def test_searches_are_reported(gemini: Any, spans: Any) -> None:
    gemini.create(model=MODEL, input=f"{SCRIPT} #searches=3")

    assert spans.attributes()["spantoll.usage.units.google_searches"] == 3


def test_an_error_is_named(gemini: Any, spans: Any) -> None:
    with pytest.raises(Exception, match="400"):
        gemini.create(model=MODEL, input="#status=400")

    assert spans.attributes()["error.type"]
    assert not spans.only_span().status.is_ok


OLD = """
from google import genai
options = genai.types.HttpOptions(base_url=url)
whole = genai.Client(api_key="none", http_options=options)
client = whole.interactions
script = "Hello #input=100 #cached=60 #output=20 #reasoning=5"
client.create(model="gemini-2.5-flash", input=script)
for _ in client.create(model="gemini-2.5-flash", input=script, stream=True):
    pass
made = client.create(model="gemini-2.5-flash", input=script, background=True)
client.get(made.id)
client.get(made.id)
"""


def test_google_genai_2_0_is_read_as_todays_is(older: Any) -> None:
    found = [
        span for span in older(OLD, "google-genai==2.0.0") if "gen_ai.usage.input_tokens" in span
    ]

    expected = {key: value for key, value in READ.items() if isinstance(value, int)}
    assert [select_keys(span, expected) for span in found] == [expected] * 3
