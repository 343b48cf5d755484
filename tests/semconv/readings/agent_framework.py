"""Spans of the dialect agent_framework, and the usage they report."""

from __future__ import annotations

from tests.semconv.spans import CACHED, GENAI, Reading

READINGS = {
    "agent framework adds the cache for openai": Reading(
        "agent_framework",
        GENAI | CACHED | {"gen_ai.provider.name": "openai"},
        (100, 10, 60, 20, None),
    ),
    "agent framework counts it apart for anthropic": Reading(
        "agent_framework",
        GENAI | CACHED | {"gen_ai.provider.name": "anthropic"},
        (180, 10, 60, 20, None),
    ),
    "agent framework counts it apart for claude anywhere": Reading(
        "agent_framework",
        GENAI
        | CACHED
        | {"gen_ai.provider.name": "azure.ai.foundry", "gen_ai.request.model": "claude-opus-4-7"},
        (180, 10, 60, 20, None),
    ),
}
