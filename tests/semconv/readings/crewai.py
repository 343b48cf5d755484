"""Spans of the dialect crewai, and the usage they report."""

from __future__ import annotations

from tests.semconv.spans import CACHED, GENAI, Reading

READINGS = {
    "crewai adds anthropic's cache": Reading(
        "crewai.telemetry",
        GENAI | CACHED | {"gen_ai.provider.name": "anthropic"},
        (100, 10, 60, 20, None),
    ),
    "crewai leaves bedrock's apart": Reading(
        "crewai", GENAI | CACHED | {"gen_ai.provider.name": "bedrock"}, (180, 10, 60, 20, None)
    ),
    "crewai writes 0 for input it did not find": Reading(
        "crewai",
        GENAI | {"gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 10},
        (None, 10, None, None, None),
    ),
}
