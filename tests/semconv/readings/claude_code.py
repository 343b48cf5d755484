"""Spans of the dialect claude_code, and the usage they report."""

from __future__ import annotations

from tests.semconv.spans import Reading

READINGS = {
    "claude code": Reading(
        "com.anthropic.claude_code.tracing",
        {"model": "m", "input_tokens": 20, "output_tokens": 10, "cache_read_tokens": 60},
        (80, 10, 60, None, None),
        name="claude_code.llm_request",
    ),
}
