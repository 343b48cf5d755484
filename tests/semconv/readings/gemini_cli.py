"""Spans of the dialect gemini_cli, and the usage they report."""

from __future__ import annotations

from tests.semconv.spans import Reading

READINGS = {
    "gemini cli counts thoughts and tools apart": Reading(
        "gemini-cli",
        {
            "model": "m",
            "input_token_count": 90,
            "tool_token_count": 10,
            "output_token_count": 6,
            "cached_content_token_count": 60,
            "thoughts_token_count": 4,
        },
        (100, 10, 60, None, 4),
        name="gemini_cli.api_response",
    ),
}
