"""Spans of the dialect strands, and the usage they report."""

from __future__ import annotations

from tests.semconv.spans import CACHED, GENAI, Reading

READINGS = {
    "strands of today": Reading(
        "strands.telemetry.tracer",
        GENAI | CACHED | {"gen_ai.usage.prompt_tokens": 100, "gen_ai.usage.total_tokens": 110},
        (100, 10, 60, 20, None),
    ),
    "strands of last year": Reading(
        "strands.telemetry.tracer",
        GENAI | CACHED | {"gen_ai.usage.total_tokens": 190},
        (180, 10, 60, 20, None),
    ),
}
