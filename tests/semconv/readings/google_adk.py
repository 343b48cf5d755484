"""Spans of the dialect google_adk, and the usage they report."""

from __future__ import annotations

import json

from tests.semconv.spans import Reading

READINGS = {
    "adk of last year leaves details to the answer": Reading(
        "gcp.vertex.agent",
        {
            "gen_ai.request.model": "m",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 6,
            "gcp.vertex.agent.llm_response": json.dumps(
                {
                    "usage_metadata": {
                        "prompt_token_count": 100,
                        "candidates_token_count": 6,
                        "thoughts_token_count": 4,
                        "cached_content_token_count": 60,
                    }
                }
            ),
        },
        (100, 10, 60, None, 4),
        name="call_llm",
    ),
}
