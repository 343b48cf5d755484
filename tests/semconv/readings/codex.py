"""Spans of the dialect codex, and the usage they report."""

from __future__ import annotations

from tests.semconv.spans import Reading

READINGS = {
    "codex names the total after tools": Reading(
        "codex_cli_rs",
        {
            "model": "m",
            "input_token_count": 100,
            "output_token_count": 10,
            "cached_token_count": 60,
            "reasoning_token_count": 4,
            "tool_token_count": 110,
        },
        (100, 10, 60, None, 4),
        name="codex.sse_event",
    ),
}
