"""Spans of the dialect langfuse, and the usage they report."""

from __future__ import annotations

import json

from tests.semconv.spans import Reading

READINGS = {
    "langfuse's own buckets are additive": Reading(
        "langfuse-sdk",
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.usage_details": json.dumps(
                {"input": 20, "output": 10, "cache_read_input_tokens": 60}
            ),
        },
        (80, 10, 60, None, None),
    ),
    "langfuse's own buckets of output are additive too": Reading(
        "langfuse-sdk",
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.usage_details": json.dumps(
                {"input": 35, "input_cache_read": 60, "input_audio": 5}
                | {"output": 5, "output_reasoning": 4, "output_audio": 1, "total": 110}
            ),
        },
        (100, 10, 60, None, 4),
    ),
    "langfuse with openai's object": Reading(
        "langfuse-sdk",
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.usage_details": json.dumps(
                {
                    "prompt_tokens": 100,
                    "completion_tokens": 10,
                    "prompt_tokens_details": {"cached_tokens": 60},
                }
            ),
        },
        (100, 10, 60, None, None),
    ),
}
