"""How far the counters of a call can be trusted, and what makes them doubtful."""

from __future__ import annotations

from typing import Any

import pytest

from tests.semconv.spans import BOTOCORE, CACHED, GENAI, OTEL, read_call


@pytest.mark.parametrize(
    ("provider", "quality"),
    [("anthropic", "assumed"), ("aws.bedrock", "assumed"), ("openai", "exact")],
)
def test_a_guess_is_marked_as_one(provider: str, quality: str) -> None:
    found = read_call("somebody", GENAI | CACHED | {"gen_ai.provider.name": provider})

    assert found.usage.input_tokens == 100
    assert found.usage_quality == quality
    assert any("input" in note for note in found.assumptions)


@pytest.mark.parametrize(
    ("scope", "provider", "quality"),
    [
        ("semantic_kernel.utils.telemetry", {"gen_ai.system": "bedrock"}, "assumed"),
        ("semantic_kernel.utils.telemetry", {"gen_ai.system": "openai"}, "exact"),
        ("agent_framework", {"gen_ai.system": "anthropic"}, "assumed"),
        ("agent_framework", {"gen_ai.provider.name": "anthropic"}, "exact"),
        ("opentelemetry.instrumentation.bedrock", {"gen_ai.system": "bedrock"}, "assumed"),
        ("openlit.instrumentation.bedrock", {"gen_ai.system": "bedrock"}, "assumed"),
        ("strands.telemetry.tracer", {"gen_ai.system": "strands-agents"}, "assumed"),
        (BOTOCORE, {"gen_ai.system": "aws.bedrock", "rpc.method": "InvokeModel"}, "assumed"),
        (BOTOCORE, {"gen_ai.system": "aws.bedrock", "rpc.method": "Converse"}, "exact"),
        ("openlit.instrumentation.anthropic", {"gen_ai.system": "anthropic"}, "assumed"),
    ],
)
def test_an_emitter_without_keys_for_the_cache_is_doubted_where_it_is_counted_apart(
    scope: str, provider: dict[str, Any], quality: str
) -> None:
    found = read_call(scope, GENAI | {"gen_ai.usage.input_tokens": 100} | provider)

    assert found.usage.input_tokens == 100
    assert found.usage_quality == quality


@pytest.mark.parametrize(
    ("value", "read_as"),
    [
        (123, 123),
        ("123", 123),
        (123.0, 123),
        ("1e2", 100),
        (2**63 - 1, 2**63 - 1),
        (-1, None),
        (1.5, None),
        (True, None),
        (float("nan"), None),
        (float("inf"), None),
        (2**63, None),
        ("many", None),
        (b"12", None),
        ((1,), None),
    ],
)
def test_counters_are_integers_or_unknown(value: object, read_as: int | None) -> None:
    found = read_call(OTEL, GENAI | {"gen_ai.usage.input_tokens": value})

    assert found.usage.input_tokens == read_as
    assert found.usage_quality == ("exact" if read_as is not None else "inconsistent")


@pytest.mark.parametrize(
    ("attributes", "quality"),
    [
        ({"gen_ai.request.stream": True}, "estimated"),
        ({"gen_ai.request.stream": False}, "exact"),
        ({"gen_ai.request.stream": True, "gen_ai.usage.cache_read.input_tokens": 0}, "exact"),
    ],
)
def test_words_that_openlit_counts_are_an_estimate(
    attributes: dict[str, Any], quality: str
) -> None:
    used = GENAI | {"gen_ai.usage.input_tokens": 100, "gen_ai.system": "openai"}

    assert read_call("openlit.instrumentation.openai", used | attributes).usage_quality == quality


@pytest.mark.parametrize("attributes", [{}, {"gen_ai.usage.total_tokens": 5}])
def test_usage_without_a_counter_that_is_billed_is_missing(attributes: dict[str, Any]) -> None:
    assert read_call("somebody", GENAI | attributes).usage_quality == "missing"
