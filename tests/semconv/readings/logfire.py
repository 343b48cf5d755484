"""Spans of the dialect logfire, and the usage they report."""

from __future__ import annotations

import json

from tests.semconv.spans import GENAI, Reading

READINGS = {
    "logfire keeps details in raw json": Reading(
        "logfire.openai",
        GENAI
        | {
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 10,
            "gen_ai.usage.raw": json.dumps(
                {
                    "prompt_tokens_details": {"cached_tokens": 60},
                    "completion_tokens_details": {"reasoning_tokens": 4},
                }
            ),
        },
        (100, 10, 60, None, 4),
    ),
    "logfire keeps details of an agent's calls in usage": Reading(
        "logfire.openai_agents",
        {
            "gen_ai.request.model": "m",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 10,
            "usage": json.dumps({"input_tokens_details": {"cached_tokens": 60}}),
        },
        (100, 10, 60, None, None),
    ),
}
