"""What OpenAI bills beside answers to requests: fine-tuning jobs and containers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.instrumentation.scenes import Case, cases, select_keys

TRAINED = {
    "gen_ai.operation.name": "fine_tuning",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini-2024-07-18",
    "spantoll.usage.units.training_tokens": 5_000,
    "spantoll.metadata.fine_tuned_model": "ft:gpt-4o-mini-2024-07-18:acme::1",
    "spantoll.request.batch": None,
    "spantoll.usage.status": "reported",
}


def test_a_fine_tuning_job_is_one_call_however_often_it_is_read(
    client: Any, spans: Any, billed: Any
) -> None:
    for _ in range(2):
        client.fine_tuning.jobs.retrieve("ftjob-1")

    first, second = spans.all()
    assert select_keys(dict(first.attributes), TRAINED) == TRAINED
    assert first.context.span_id == second.context.span_id
    # 5,000 tokens at $3 per million.
    assert [row["cost_nano"] for row in billed()] == [15_000_000]


async def test_an_async_client_reads_a_fine_tuning_job_likewise(
    async_client: Any, spans: Any
) -> None:
    await async_client.fine_tuning.jobs.retrieve("ftjob-1")

    assert select_keys(spans.attributes(), TRAINED) == TRAINED


@pytest.mark.parametrize("job", ["ftjob-running", "ftjob-failed"])
def test_a_job_that_has_trained_nothing_is_no_call(client: Any, spans: Any, job: str) -> None:
    client.fine_tuning.jobs.retrieve(job)

    assert spans.all() == ()


CONTAINERS: dict[str, Case] = {
    "least memory": (
        lambda c: c.containers.create(name="c"),
        {"gen_ai.request.model": "container-1g", "spantoll.usage.units.container_sessions": 1},
    ),
    "more memory": (
        lambda c: c.containers.create(name="c", memory_limit="4g"),
        {
            "gen_ai.operation.name": "create_container",
            "gen_ai.request.model": "container-4g",
            "spantoll.usage.units.container_sessions": 1,
            "spantoll.usage.status": "reported",
        },
    ),
}


@cases(CONTAINERS)
def test_a_container_is_billed_by_its_memory(
    client: Any, spans: Any, call: Callable[[Any], Any], expected: dict[str, Any]
) -> None:
    call(client)

    assert select_keys(spans.attributes(), expected) == expected


def test_the_session_of_a_container_is_billed(client: Any, spans: Any, billed: Any) -> None:
    for memory in ("1g", "4g"):
        client.containers.create(name="c", memory_limit=memory)

    assert [row["cost_nano"] for row in billed()] == [30_000_000, None]


OLD = """
import openai
client = openai.OpenAI(api_key="none", base_url=url + "/v1", max_retries=0)
client.fine_tuning.jobs.retrieve("ftjob-1")
"""


def test_openai_1_30_reports_what_was_trained(older: Any) -> None:
    (span,) = older(OLD, "openai==1.30.5", "httpx<0.28")

    assert span["spantoll.usage.units.training_tokens"] == 5_000


@pytest.mark.parametrize("is_read_whole", [True, False])
def test_speech_as_events_has_the_tokens_of_its_last_event(
    client: Any, spans: Any, is_read_whole: bool
) -> None:
    asked: dict[str, Any] = {
        "model": "gpt-4o-mini-tts",
        "voice": "alloy",
        "input": "Hello #input=14 #output=101",
        "stream_format": "sse",
    }
    if is_read_whole:
        assert b"speech.audio.done" in client.audio.speech.create(**asked).content
    else:
        with client.audio.speech.with_streaming_response.create(**asked) as answer:
            assert any("speech.audio.done" in line for line in answer.iter_lines())

    expected = {
        "gen_ai.operation.name": "speech",
        "gen_ai.usage.input_tokens": 14,
        "gen_ai.usage.output_tokens": 101,
    }
    assert select_keys(spans.attributes(), expected) == expected
