"""Names that emitters other than those of a dialect give to parts of the usage."""

from __future__ import annotations

import pytest

from tests.semconv.spans import GENAI, read_call

TOTALS = {"gen_ai.usage.input_tokens": 1_000, "gen_ai.usage.output_tokens": 500}
SPELLINGS = {
    "cache_read_tokens": (
        "cached_input_tokens",
        "cached_tokens",
        "input_tokens.cached",
        "input_tokens_details.cached_tokens",
        "input_tokens_details.cached",
        "input_token_details.cache_read",
        "prompt_tokens_details.cached_tokens",
    ),
    "cache_write_tokens": (
        "cache_creation_tokens",
        "input_tokens_details.cache_write_tokens",
        "input_token_details.cache_creation",
    ),
    "cache_write_1h_tokens": (
        "cache_creation.1h_input_tokens",
        "cache_creation.ephemeral_1h_input_tokens",
        "cache_write_1h_tokens",
    ),
    "reasoning_tokens": (
        "completion_tokens_details.reasoning_tokens",
        "output_tokens_details.reasoning_tokens",
        "output_tokens_details.reasoning",
        "output_token_details.reasoning",
        "reasoning_output_tokens",
        "thinking_tokens",
    ),
    "input_audio_tokens": (
        "prompt_tokens_details.audio_tokens",
        "input_tokens_details.audio_tokens",
        "audio_input_tokens",
    ),
    "output_audio_tokens": (
        "completion_tokens_details.audio_tokens",
        "output_tokens_details.audio_tokens",
        "audio_output_tokens",
    ),
}


@pytest.mark.parametrize(
    ("part", "spelling"), [(part, name) for part, names in SPELLINGS.items() for name in names]
)
def test_a_part_of_the_usage_is_read_by_any_name_it_is_given(part: str, spelling: str) -> None:
    found = read_call("somebody", GENAI | TOTALS | {f"gen_ai.usage.{spelling}": 200})

    assert getattr(found.usage, part) == 200
    assert (found.usage.input_tokens, found.usage.output_tokens) == (1_000, 500)


@pytest.mark.parametrize("lifetime", ["5m", "1h"])
def test_lifetimes_of_a_written_cache_are_read_beside_their_total(lifetime: str) -> None:
    written = {"gen_ai.usage.cache_creation.input_tokens": 200}

    found = read_call(
        "somebody",
        GENAI | TOTALS | written | {f"gen_ai.usage.cache_creation.{lifetime}_input_tokens": 150},
    )

    assert found.usage.cache_write_tokens == 200
    assert found.usage.cache_write_1h_tokens == (150 if lifetime == "1h" else None)


def test_the_tier_is_read_of_emitters_that_leave_the_provider_out_of_its_name() -> None:
    tiers = {"gen_ai.request.service_tier": "auto", "gen_ai.response.service_tier": "flex"}

    found = read_call("langsmith", GENAI | TOTALS | tiers | {"langsmith.span.kind": "llm"})

    assert (found.service_tier_requested, found.service_tier) == ("auto", "flex")
