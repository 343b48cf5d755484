"""Spans of the dialect langfuse, and the usage they report."""

from __future__ import annotations

import json

from tests.semconv.spans import Reading

BUCKETS = {
    "of langchain for anthropic, writes by their lifetime": (
        {"input": 20, "input_cache_read": 60, "input_cache_creation": 0, "output": 10}
        | {"input_ephemeral_5m_input_tokens": 15, "input_ephemeral_1h_input_tokens": 5},
        (100, 10, 60, 20, None),
    ),
    "of langchain for vertex ai, by modality": (
        {"input": 0, "input_modality_1": 40, "cached_modality_1": 60, "output": 0}
        | {"output_modality_1": 6, "thoughts_token_count": 4, "cached_content_token_count": 60},
        (100, 10, 60, None, 4),
    ),
    "of langchain for vertex ai, cached tokens without modality": (
        {"input": 0, "input_modality_TEXT": 90, "input_modality_AUDIO": 10, "output": 0}
        | {"output_modality_TEXT": 6, "thoughts_token_count": 4, "cached_content_token_count": 60},
        (100, 10, 60, None, 4),
    ),
    "of langchain for openai's flex": (
        {"input": 0, "input_flex": 40, "input_flex_cache_read": 60, "total": 110}
        | {"output": 0, "output_flex": 6, "output_flex_reasoning": 4},
        (100, 10, 60, None, 4),
    ),
    "of langchain for openai's priority": (
        {"input": 100, "input_priority": 40, "input_priority_cache_read": 60, "total": 110}
        | {"output": 10, "output_priority": 6, "output_priority_reasoning": 4},
        (100, 10, 60, None, 4),
    ),
    "that are gemini's object": (
        {"prompt_token_count": 100, "candidates_token_count": 6, "thoughts_token_count": 4}
        | {"cached_content_token_count": 60, "total_token_count": 110},
        (100, 10, 60, None, 4),
    ),
    "that are bedrock's object": (
        {"inputTokens": 20, "outputTokens": 10, "totalTokens": 110}
        | {"cacheReadInputTokens": 60, "cacheWriteInputTokens": 20},
        (100, 10, 60, 20, None),
    ),
    "whose totals were emptied into unknown ones": (
        {"input": 0, "input_moon": 100, "output": 0, "output_moon": 10, "total": 110},
        (None, None, None, None, None),
    ),
}
READINGS = {
    **{
        f"langfuse's buckets {name}": Reading(
            "langfuse-sdk",
            {
                "langfuse.observation.type": "generation",
                "langfuse.observation.usage_details": json.dumps(usage),
            },
            tokens,
        )
        for name, (usage, tokens) in BUCKETS.items()
    },
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
