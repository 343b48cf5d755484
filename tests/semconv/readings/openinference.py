"""Spans of the dialect openinference, and the usage they report."""

from __future__ import annotations

import json

from tests.semconv.spans import GENAI, Reading

LANGCHAIN = {
    "anthropic, writes by their lifetime": (
        {"llm.token_count.prompt_details.cache_write": 0},
        {"usage_metadata": {"input_token_details": {"ephemeral_5m_input_tokens": 20}}},
        (100, 10, None, 20, None),
    ),
    "anthropic, the provider's own object": (
        {"llm.token_count.prompt_details.cache_write": 20},
        {"response_metadata": {"usage": {"cache_creation": {"ephemeral_1h_input_tokens": 5}}}},
        (100, 10, None, 20, None),
    ),
    "openai in flex": (
        {},
        {"usage_metadata": {"input_token_details": {"flex": 40, "flex_cache_read": 60}}},
        (100, 10, 60, None, None),
    ),
    "openai, the provider's own object": (
        {},
        {"response_metadata": {"token_usage": {"prompt_tokens_details": {"cached_tokens": 60}}}},
        (100, 10, 60, None, None),
    ),
}
READINGS = {
    **{
        f"openinference reads the message of langchain: {name}": Reading(
            "openinference.instrumentation.langchain",
            {
                "openinference.span.kind": "LLM",
                "llm.model_name": "m",
                "llm.token_count.prompt": 100,
                "llm.token_count.completion": 10,
                "output.value": json.dumps({"generations": [[{"message": {"kwargs": kwargs}}]]}),
            }
            | attributes,
            tokens,
        )
        for name, (attributes, kwargs, tokens) in LANGCHAIN.items()
    },
    "openinference finds a transcription's usage in its answer": Reading(
        "openinference.instrumentation.openai",
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "m",
            "output.value": json.dumps({"usage": {"input_tokens": 100, "output_tokens": 10}}),
        },
        (100, 10, None, None, None),
    ),
    "openinference finds parts of its totals in its answer": Reading(
        "openinference.instrumentation.mistralai",
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "m",
            "llm.token_count.prompt": 100,
            "llm.token_count.completion": 10,
            "output.value": json.dumps(
                {"usage": {"prompt_tokens": 99, "prompt_tokens_details": {"cached_tokens": 60}}}
            ),
        },
        (100, 10, 60, None, None),
    ),
    "openinference": Reading(
        "openinference.instrumentation.anthropic",
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "m",
            "llm.token_count.prompt": 100,
            "llm.token_count.completion": 10,
            "llm.token_count.prompt_details.cache_read": 60,
            "llm.token_count.completion_details.reasoning": 4,
        },
        (100, 10, 60, None, 4),
    ),
    "openinference reads its own family only": Reading(
        "openinference.instrumentation.openai",
        GENAI
        | {"gen_ai.usage.input_tokens": 999, "openinference.span.kind": "LLM"}
        | {"llm.model_name": "m", "llm.token_count.prompt": 100},
        (100, None, None, None, None),
    ),
    "openinference bedrock by arithmetic": Reading(
        "openinference.instrumentation.bedrock",
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "m",
            "llm.token_count.prompt": 100,
            "llm.token_count.completion": 10,
            "llm.token_count.total": 170,
            "llm.token_count.prompt_details.cache_read": 60,
        },
        (160, 10, 60, None, None),
    ),
}
