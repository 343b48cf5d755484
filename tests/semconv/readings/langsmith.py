"""Spans of the dialect langsmith, and the usage they report."""

from __future__ import annotations

import json

from tests.semconv.spans import Reading

READINGS = {
    "langsmith keeps details in a repr": Reading(
        "langsmith",
        {
            "langsmith.span.kind": "llm",
            "gen_ai.request.model": "m",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 10,
            "gen_ai.usage.input_token_details": "{'cache_read': 60, 'cache_creation': 20}",
            "gen_ai.usage.output_token_details": "{'reasoning': 4}",
        },
        (100, 10, 60, 20, 4),
    ),
    "langsmith keeps details in metadata": Reading(
        "langsmith",
        {
            "langsmith.span.kind": "llm",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 10,
            "langsmith.metadata.usage_metadata": json.dumps(
                {
                    "input_token_details": {
                        "cache_read": 60,
                        "cache_creation": 0,
                        "ephemeral_5m_input_tokens": 15,
                        "ephemeral_1h_input_tokens": 5,
                    },
                    "output_token_details": {"reasoning": 4},
                }
            ),
        },
        (100, 10, 60, 20, 4),
    ),
}
