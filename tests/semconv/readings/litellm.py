"""Spans of the dialect litellm, and the usage they report."""

from __future__ import annotations

from tests.semconv.spans import CACHED, GENAI, Reading

READINGS = {
    "litellm": Reading(
        "litellm", GENAI | CACHED | {"gen_ai.usage.total_tokens": 110}, (100, 10, 60, 20, None)
    ),
    "litellm keeps details in a repr": Reading(
        "litellm",
        GENAI
        | {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 10}
        | {"metadata.usage_object": "{'prompt_tokens_details': {'cached_tokens': 60, 'x': None}}"},
        (100, 10, 60, None, None),
    ),
    "litellm dumps anthropic's answer": Reading(
        "litellm",
        {
            "llm.anthropic.model": "m",
            "llm.anthropic.usage": "{'input_tokens': 20, 'output_tokens': 10,"
            " 'cache_read_input_tokens': 60, 'cache_creation_input_tokens': 20}",
        },
        (100, 10, 60, 20, None),
        name="raw_gen_ai_request",
    ),
    "litellm dumps bedrock's answer": Reading(
        "litellm",
        {
            "llm.bedrock.usage": "{'inputTokens': 20, 'outputTokens': 10, 'totalTokens': 110,"
            " 'cacheReadInputTokens': 60, 'cacheWriteInputTokens': 20}",
        },
        (100, 10, 60, 20, None),
        name="raw_gen_ai_request",
    ),
    "litellm dumps gemini's answer": Reading(
        "litellm",
        {
            "llm.gemini.usageMetadata": "{'promptTokenCount': 90, 'candidatesTokenCount': 6,"
            " 'thoughtsTokenCount': 4, 'toolUsePromptTokenCount': 10,"
            " 'cachedContentTokenCount': 60}",
        },
        (100, 10, 60, None, 4),
        name="raw_gen_ai_request",
    ),
}
