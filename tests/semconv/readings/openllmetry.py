"""Spans of the dialect openllmetry, and the usage they report."""

from __future__ import annotations

from tests.semconv.spans import CACHED, GENAI, Reading

READINGS = {
    "openllmetry of 2023": Reading(
        "opentelemetry.instrumentation.openai.v1",
        {
            "llm.vendor": "OpenAI",
            "llm.request.type": "chat",
            "llm.request.model": "gpt-4",
            "llm.usage.prompt_tokens": 100,
            "llm.usage.completion_tokens": 10,
            "llm.usage.total_tokens": 110,
        },
        (100, 10, None, None, None),
    ),
    "openllmetry contains it": Reading(
        "opentelemetry.instrumentation.openai.v1",
        GENAI | CACHED | {"gen_ai.usage.reasoning_tokens": 4},
        (100, 10, 60, 20, 4),
    ),
    "openllmetry bedrock counts it apart": Reading(
        "opentelemetry.instrumentation.bedrock",
        GENAI | CACHED | {"gen_ai.usage.total_tokens": 110},
        (180, 10, 60, 20, None),
    ),
    "openllmetry crewai reports what the whole crew used": Reading(
        "opentelemetry.instrumentation.crewai.instrumentation",
        {
            "gen_ai.operation.name": "invoke_agent",
            "crewai.crew.usage_metrics": "{'total_tokens': 110, 'prompt_tokens': 100,"
            " 'cached_prompt_tokens': 60, 'completion_tokens': 10, 'reasoning_tokens': 4}",
        },
        (100, 10, 60, None, 4),
    ),
    "openllmetry gemini leaves thoughts to the total": Reading(
        "opentelemetry.instrumentation.google_generativeai",
        GENAI | CACHED | {"gen_ai.provider.name": "gcp.gen_ai", "gen_ai.usage.total_tokens": 114},
        (100, 14, 60, 20, 4),
    ),
    "openllmetry for node passes anthropic's own counters on, and their sum": Reading(
        "@traceloop/instrumentation-anthropic",
        GENAI | CACHED | {"gen_ai.provider.name": "anthropic", "gen_ai.usage.total_tokens": 110},
        (180, 10, 60, 20, None),
    ),
    "openllmetry for node contains openai's cache": Reading(
        "@traceloop/instrumentation-openai",
        GENAI | CACHED | {"gen_ai.provider.name": "openai", "gen_ai.usage.total_tokens": 110},
        (100, 10, 60, 20, None),
    ),
}
