"""Spans of the dialect llm_usage, and the usage they report."""

from __future__ import annotations

from tests.semconv.spans import Reading

READINGS = {
    "llm_usage as openai counts": Reading(
        "somebody",
        {
            "llm.provider": "openai",
            "llm.model": "gpt-4o",
            "llm.usage.prompt_tokens": 100,
            "llm.usage.completion_tokens": 10,
            "llm.usage.total_tokens": 110,
        },
        (100, 10, None, None, None),
    ),
    "llm_usage as anthropic counts": Reading(
        "somebody",
        {
            "llm.vendor": "anthropic",
            "llm.request.model": "claude-sonnet-4-5",
            "llm.usage.input_tokens": "100",
            "llm.usage.output_tokens": "10",
        },
        (100, 10, None, None, None),
    ),
}
