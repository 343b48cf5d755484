"""Spans of the dialect openlit, and the usage they report."""

from __future__ import annotations

from tests.semconv.spans import CACHED, GENAI, Reading

READINGS = {
    "openlit openai contains it": Reading(
        "openlit.instrumentation.openai", GENAI | CACHED, (100, 10, 60, 20, None)
    ),
    "openlit anthropic counts it apart": Reading(
        "openlit.instrumentation.anthropic", GENAI | CACHED, (180, 10, 60, 20, None)
    ),
    "openlit gemini counts thoughts apart": Reading(
        "openlit.instrumentation.google_ai_studio",
        GENAI | CACHED | {"gen_ai.provider.name": "gemini", "gen_ai.usage.reasoning_tokens": 4},
        (100, 14, 60, 20, 4),
    ),
}
