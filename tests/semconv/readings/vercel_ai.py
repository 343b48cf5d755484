"""Spans of the dialect vercel_ai, and the usage they report."""

from __future__ import annotations

import json

from tests.semconv.spans import Reading

READINGS = {
    "ai sdk 6": Reading(
        "ai",
        {
            "ai.operationId": "ai.generateText.doGenerate",
            "ai.usage.inputTokens": 100,
            "ai.usage.outputTokens": 10,
            "ai.usage.inputTokenDetails.noCacheTokens": 20,
            "ai.usage.inputTokenDetails.cacheReadTokens": 60,
            "ai.usage.inputTokenDetails.cacheWriteTokens": 20,
            "ai.usage.reasoningTokens": 4,
        },
        (100, 10, 60, 20, 4),
    ),
    "ai sdk 4 with anthropic's metadata": Reading(
        "ai",
        {
            "ai.operationId": "ai.streamText.doStream",
            "gen_ai.system": "anthropic.messages",
            "ai.usage.promptTokens": 100,
            "ai.usage.completionTokens": 10,
            "ai.response.providerMetadata": json.dumps(
                {"anthropic": {"cacheReadInputTokens": 60, "cacheCreationInputTokens": 20}}
            ),
        },
        (180, 10, 60, 20, None),
    ),
    "ai sdk 5 with anthropic's model on vertex": Reading(
        "ai",
        {
            "ai.operationId": "ai.generateText.doGenerate",
            "ai.model.provider": "vertex.anthropic.messages",
            "ai.model.id": "claude-sonnet-4-5@20250929",
            "ai.usage.inputTokens": 100,
            "ai.usage.cachedInputTokens": 60,
            "ai.usage.outputTokens": 10,
        },
        (160, 10, 60, None, None),
    ),
    "ai sdk 5 with anthropic's model behind vercel's gateway": Reading(
        "ai",
        {
            "ai.operationId": "ai.generateText.doGenerate",
            "ai.model.provider": "gateway",
            "ai.model.id": "anthropic/claude-sonnet-4.5",
            "ai.usage.inputTokens": 100,
            "ai.usage.cachedInputTokens": 60,
            "ai.usage.outputTokens": 10,
        },
        (160, 10, 60, None, None),
    ),
    "ai sdk 5 with openai's model behind vercel's gateway": Reading(
        "ai",
        {
            "ai.operationId": "ai.generateText.doGenerate",
            "ai.model.provider": "gateway",
            "ai.model.id": "openai/gpt-5",
            "ai.usage.inputTokens": 100,
            "ai.usage.cachedInputTokens": 60,
            "ai.usage.outputTokens": 10,
        },
        (100, 10, 60, None, None),
    ),
    "ai sdk 5 with gemini's metadata": Reading(
        "ai",
        {
            "ai.operationId": "ai.generateText.doGenerate",
            "gen_ai.system": "google.generative-ai",
            "ai.usage.promptTokens": 100,
            "ai.usage.completionTokens": 6,
            "ai.response.providerMetadata": json.dumps(
                {
                    "google": {
                        "usageMetadata": {
                            "promptTokenCount": 100,
                            "candidatesTokenCount": 6,
                            "thoughtsTokenCount": 4,
                            "cachedContentTokenCount": 60,
                        }
                    }
                }
            ),
        },
        (100, 10, 60, None, 4),
    ),
    "ai sdk 5 streams of gemini by arithmetic": Reading(
        "ai",
        {
            "ai.operationId": "ai.streamText.doStream",
            "gen_ai.system": "google.generative-ai",
            "ai.usage.inputTokens": 100,
            "ai.usage.outputTokens": 6,
            "ai.usage.reasoningTokens": 4,
            "ai.usage.totalTokens": 110,
        },
        (100, 10, None, None, 4),
    ),
}
