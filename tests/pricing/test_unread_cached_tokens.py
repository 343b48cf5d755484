"""A number that may be cached tokens and that no dialect reads keeps the cost from being exact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from spantoll.pipeline import Ingest
from spantoll.pricing import RateCard
from spantoll.pricing.result import Priced
from spantoll.records import UsageRecord
from spantoll.semconv.usage import UNREAD_CACHE
from tests.semconv.spans import GENAI, read_call

CORPUS = Path(__file__).parents[1] / "data" / "corpus"
CALL = GENAI | {
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.usage.input_tokens": 1_000,
    "gen_ai.usage.output_tokens": 100,
}


@pytest.mark.parametrize(
    "key",
    [
        "llm.usage.cached_tokens",
        "llm.usage.cache_read_tokens",
        "house.usage.cacheReadInputTokenCount",
        "house.token_usage.cached",
        "house.cacheWriteTokens",
    ],
)
def test_cached_tokens_under_an_unknown_name_make_the_cost_estimated(
    key: str, card: RateCard
) -> None:
    call = read_call("somebody", CALL | {key: 600})
    answer = card.price(call)

    assert isinstance(answer, Priced)
    assert call.usage_quality == "assumed"
    assert answer.status == "estimated"
    assert answer.reason == f"cached tokens may be in {key}, which no dialect reads"
    assert answer.reason in call.assumptions


@pytest.mark.parametrize(
    "harmless",
    [
        {"llm.usage.cached_tokens": 0},
        {"llm.usage.cached_tokens": "0"},
        {"llm.usage.cached_tokens": None},
        {"house.token_cache.name": "redis"},
        {"house.cached_tokens_cost": 3},
        {"house.cache_hit_token_ratio": 1},
        {"house.max_cached_tokens": 4_096},
        {"gen_ai.usage.cache_read.input_tokens": 600},
        {"gen_ai.usage.cache_read.input_tokens": 600, "llm.usage.cached_tokens": 600},
        {
            "gen_ai.usage.cache_read.input_tokens": 600,
            "gen_ai.usage.cache_creation.input_tokens": 200,
            "pydantic_ai.cache.established_tokens": 800,
        },
        {"spantoll.usage.cache_read_audio_tokens": 0},
    ],
    ids=str,
)
def test_no_other_attribute_casts_doubt_on_the_cost(
    harmless: dict[str, Any], card: RateCard
) -> None:
    answer = card.price(read_call("somebody", CALL | harmless))

    assert isinstance(answer, Priced)
    assert (answer.status, answer.reason) == ("priced", None)


def test_an_agent_that_adds_up_cached_tokens_is_not_doubted() -> None:
    agent = {"gen_ai.operation.name": "invoke_agent", "llm.usage.cached_tokens": 600}

    call = read_call("somebody", CALL | agent)

    assert not [note for note in call.assumptions if "cached" in note]


def test_no_call_of_the_captured_corpus_is_doubted(card: RateCard) -> None:
    ingest = Ingest(card)
    records: list[UsageRecord] = []
    for path in CORPUS.glob("*/*/request-*"):
        kind = "application/json" if path.suffix == ".json" else "application/x-protobuf"
        records += ingest.traces(path.read_bytes(), received_ns=1, content_type=kind).records

    assert len(records) > 500
    assert not [record for record in records if UNREAD_CACHE in (record.assumptions or "")]
