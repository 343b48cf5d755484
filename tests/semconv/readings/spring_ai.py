"""Spans of the dialect spring_ai, and the usage they report."""

from __future__ import annotations

from tests.semconv.spans import CACHED, GENAI, Reading

READINGS = {
    "spring ai openai contains it": Reading(
        "org.springframework.boot",
        GENAI | CACHED | {"gen_ai.system": "openai", "gen_ai.usage.total_tokens": 110},
        (100, 10, 60, 20, None),
    ),
    "spring ai anthropic counts it apart, against the total": Reading(
        "org.springframework.boot",
        GENAI | CACHED | {"gen_ai.system": "anthropic", "gen_ai.usage.total_tokens": 110},
        (180, 10, 60, 20, None),
    ),
}
