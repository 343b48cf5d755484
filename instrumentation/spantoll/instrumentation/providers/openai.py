from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spantoll.instrumentation.provider import Call, Endpoint, Provider
from spantoll.semconv import attributes as keys
from spantoll.semconv.providers import from_host

CHAT_REQUEST = {
    keys.REQUEST_MODEL: "model",
    keys.REQUEST_MAX_TOKENS: "max_completion_tokens",
    keys.REQUEST_TEMPERATURE: "temperature",
    keys.REQUEST_TOP_P: "top_p",
    keys.REQUEST_SEED: "seed",
    keys.REQUEST_FREQUENCY_PENALTY: "frequency_penalty",
    keys.REQUEST_PRESENCE_PENALTY: "presence_penalty",
    keys.REQUEST_REASONING_LEVEL: "reasoning_effort",
    keys.OPENAI_REQUEST_SERVICE_TIER: "service_tier",
}
CHAT_USAGE = {
    keys.RESPONSE_ID: "id",
    keys.RESPONSE_MODEL: "model",
    keys.OPENAI_RESPONSE_SERVICE_TIER: "service_tier",
    keys.OPENAI_SYSTEM_FINGERPRINT: "system_fingerprint",
    keys.USAGE_INPUT_TOKENS: "usage.prompt_tokens",
    keys.USAGE_OUTPUT_TOKENS: "usage.completion_tokens",
    keys.USAGE_CACHE_READ: "usage.prompt_tokens_details.cached_tokens",
    keys.USAGE_CACHE_WRITE: "usage.prompt_tokens_details.cache_write_tokens",
    keys.USAGE_AUDIO_INPUT: "usage.prompt_tokens_details.audio_tokens",
    keys.USAGE_REASONING: "usage.completion_tokens_details.reasoning_tokens",
    keys.USAGE_AUDIO_OUTPUT: "usage.completion_tokens_details.audio_tokens",
    keys.COST_AMOUNT: "usage.cost",
    keys.RESPONSE_FINISH_REASONS: "choices.*.finish_reason",
}

ANSWERS_USAGE_ON_STREAMS = frozenset(
    {"openai", "azure.ai.openai", "openrouter", "groq", "deepseek", "together_ai", "fireworks_ai"}
    | {"cerebras", "x_ai"}
)
"""Hosts known to accept `stream_options.include_usage`."""


def _endpoint(resource: Any) -> Endpoint:
    client = resource._client
    url = client.base_url
    named = "azure.ai.openai" if "Azure" in type(client).__name__ else from_host(url.host)
    return Endpoint(named or "openai", url.host, url.port or (443 if url.scheme == "https" else 80))


def _ask_for_usage(endpoint: Endpoint, kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
    if endpoint.provider not in ANSWERS_USAGE_ON_STREAMS or kwargs.get("stream_options"):
        return None
    return {**kwargs, "stream_options": {"include_usage": True}}


def _is_usage_only(chunk: Any) -> bool:
    return not chunk.choices and chunk.usage is not None


COMPLETIONS = "openai.resources.chat.completions:{}.create"

PROVIDER = Provider(
    name="openai",
    distribution="openai",
    versions=">=1.26,<4",
    endpoint=_endpoint,
    calls=tuple(
        Call(
            COMPLETIONS.format(owner),
            "chat",
            request=CHAT_REQUEST,
            response=CHAT_USAGE,
            chunk=CHAT_USAGE,
            ask_for_usage=_ask_for_usage,
            is_usage_only=_is_usage_only,
        )
        for owner in ("Completions", "AsyncCompletions")
    ),
)
