"""Spans of the dialect otel, and the usage they report."""

from __future__ import annotations

from tests.semconv.spans import CACHED, GENAI, OTEL, Reading

READINGS = {
    "otel contains the cache": Reading(OTEL, GENAI | CACHED, (100, 10, 60, 20, None)),
    "otel new name of cache write": Reading(
        OTEL,
        GENAI | CACHED | {"gen_ai.usage.cache_write.input_tokens": 20},
        (100, 10, 60, 20, None),
    ),
    "otel bedrock counts the cache apart": Reading(
        "opentelemetry.instrumentation.genai.bedrock", GENAI | CACHED, (180, 10, 60, 20, None)
    ),
    "anthropic's own spans contain it": Reading(
        "com.anthropic.sdk.python",
        GENAI | CACHED | {"anthropic.usage.cache_creation.ephemeral_1h_input_tokens": 5},
        (100, 10, 60, 20, None),
    ),
    "unknown scope, cache exceeds input": Reading(
        "somebody",
        GENAI | {"gen_ai.usage.input_tokens": 5, "gen_ai.usage.cache_read.input_tokens": 60},
        (65, None, 60, None, None),
    ),
    "unknown scope, total proves it apart": Reading(
        "somebody", GENAI | CACHED | {"gen_ai.usage.total_tokens": 190}, (180, 10, 60, 20, None)
    ),
    "unknown scope, total proves it contained": Reading(
        "somebody", GENAI | CACHED | {"gen_ai.usage.total_tokens": 110}, (100, 10, 60, 20, None)
    ),
    "unknown scope, modalities prove it contained": Reading(
        "somebody",
        GENAI
        | CACHED
        | {"gen_ai.usage.text.input_tokens": 90, "gen_ai.usage.image.input_tokens": 10},
        (100, 10, 60, 20, None),
    ),
    "only cached tokens are reported": Reading(
        "somebody", GENAI | {"gen_ai.usage.cache_read.input_tokens": 60}, (60, None, 60, None, None)
    ),
    "zeros stand for usage that was not reported": Reading(
        "somebody",
        GENAI | {"gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 0},
        (None, None, None, None, None),
    ),
    "reasoning exceeds output": Reading(
        "somebody",
        GENAI | {"gen_ai.usage.output_tokens": 10, "gen_ai.usage.reasoning_tokens": 30},
        (None, 40, None, None, 30),
    ),
}
