"""Spans of the dialect pydantic_ai, and the usage they report."""

from __future__ import annotations

from tests.semconv.spans import CACHED, GENAI, Reading

READINGS = {
    "pydantic-ai reports details twice": Reading(
        "pydantic-ai",
        GENAI | CACHED | {"gen_ai.usage.details.cache_read_tokens": 60},
        (100, 10, 60, 20, None),
    ),
}
