"""Spans of the dialect otel_legacy, and the usage they report."""

from __future__ import annotations

from tests.semconv.spans import CACHED, GENAI, Reading

READINGS = {
    "botocore counts it apart": Reading(
        "opentelemetry.instrumentation.botocore.bedrock-runtime",
        GENAI | CACHED,
        (180, 10, 60, 20, None),
    ),
    "openai-v2 with the oldest names": Reading(
        "opentelemetry.instrumentation.openai_v2",
        GENAI | {"gen_ai.usage.prompt_tokens": 100, "gen_ai.usage.completion_tokens": 10},
        (100, 10, None, None, None),
    ),
}
