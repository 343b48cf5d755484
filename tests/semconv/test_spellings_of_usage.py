"""Names that emitters other than those of a dialect give to parts of the usage."""

from __future__ import annotations

import json

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
    ("input_key", "output_key"),
    [
        ("gen_ai.response.input_tokens", "gen_ai.response.output_tokens"),
        ("gen_ai.response.prompt_tokens", "gen_ai.response.completion_tokens"),
        ("llm.usage.prompt_tokens", "llm.usage.completion_tokens"),
        ("llm.usage.input_tokens", "llm.usage.output_tokens"),
    ],
)
def test_totals_of_a_named_model_are_read_by_older_names(input_key: str, output_key: str) -> None:
    model = {"gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o"}

    found = read_call("somebody", model | {input_key: 1_000, output_key: 500})
    both = read_call("somebody", model | TOTALS | {input_key: 7, output_key: 7})

    assert (found.role, found.usage_quality) == ("inference", "exact")
    assert found.usage[:2] == both.usage[:2] == (1_000, 500)


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


SERVED = {
    "input_tokens": 20,
    "cache_read_input_tokens": 60,
    "cache_creation_input_tokens": 20,
    "output_tokens": 10,
    "service_tier": "batch",
    "inference_geo": "us",
    "speed": "fast",
}
ANSWER = json.dumps({"id": "msg_1", "usage": SERVED})
DUMPS = {
    "langfuse": {
        "langfuse.observation.type": "generation",
        "langfuse.observation.usage_details": json.dumps(SERVED),
    },
    "litellm": {"gen_ai.usage.input_tokens": 100, "metadata.usage_object": str(SERVED)},
    "logfire.anthropic": {"gen_ai.usage.raw": json.dumps(SERVED)},
    "mlflow": {"mlflow.spanType": '"CHAT_MODEL"', "mlflow.spanOutputs": ANSWER},
    "openinference.instrumentation.anthropic": {
        "openinference.span.kind": "LLM",
        "llm.token_count.prompt": 100,
        "output.value": ANSWER,
    },
    "openinference.instrumentation.langchain": {
        "openinference.span.kind": "LLM",
        "llm.token_count.prompt": 100,
        "output.value": json.dumps(
            {"generations": [[{"message": {"kwargs": {"response_metadata": {"usage": SERVED}}}}]]}
        ),
    },
    "ai": {
        "ai.operationId": "ai.generateText.doGenerate",
        "ai.response.providerMetadata": json.dumps({"anthropic": {"usage": SERVED}}),
    },
}


@pytest.mark.parametrize(("scope", "attributes"), DUMPS.items(), ids=DUMPS)
def test_how_anthropic_served_a_call_is_read_of_its_usage_object(
    scope: str, attributes: dict[str, object]
) -> None:
    found = read_call(scope, GENAI | attributes)

    assert (found.service_tier, found.data_residency, found.speed) == ("batch", "us", "fast")


def test_how_anthropic_served_a_call_is_read_of_its_dumped_answer() -> None:
    dumped = {"llm.anthropic.model": "m", "llm.anthropic.usage": str(SERVED)}

    found = read_call("litellm", dumped, name="raw_gen_ai_request")

    assert (found.service_tier, found.data_residency, found.speed) == ("batch", "us", "fast")
