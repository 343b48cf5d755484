"""OpenAI, Azure OpenAI, and every host that speaks OpenAI's API to OpenAI's SDK."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spantoll.instrumentation.provider import Call, Provider, Request, Server, Settings
from spantoll.instrumentation.reading import Table, pick
from spantoll.instrumentation.stainless import hooks, server_of
from spantoll.semconv import attributes as keys
from spantoll.semconv.providers import from_host

__all__ = ["PROVIDER"]

OUTPUT_TYPES = {"text": "text", "json_object": "json", "json_schema": "json"}


def _server(client: Any, settings: Settings) -> Server:
    default = "azure.ai.openai" if "Azure" in type(client).__name__ else "openai"
    return server_of(client, settings, default=default, known=from_host)


def _stop(body: Any) -> Any:
    stop = body.get("stop")
    return (stop,) if isinstance(stop, str) else stop


def _chat_output_type(body: Any) -> str | None:
    if "audio" in (body.get("modalities") or ()):
        return "speech"
    return OUTPUT_TYPES.get(pick(body, "response_format.type") or "")


def _several(name: str) -> Any:
    def read(body: Any) -> int | None:
        count = body.get(name)
        return count if isinstance(count, int) and count != 1 else None

    return read


SAMPLING: Table = {
    keys.REQUEST_MODEL: "model",
    keys.REQUEST_TEMPERATURE: "temperature",
    keys.REQUEST_TOP_P: "top_p",
    keys.REQUEST_SEED: "seed",
    keys.REQUEST_FREQUENCY_PENALTY: "frequency_penalty",
    keys.REQUEST_PRESENCE_PENALTY: "presence_penalty",
    keys.REQUEST_STOP_SEQUENCES: _stop,
    keys.OPENAI_REQUEST_SERVICE_TIER: "service_tier",
}

COMPLETION_USAGE: Table = {
    keys.RESPONSE_ID: "id",
    keys.RESPONSE_MODEL: "model",
    keys.USAGE_INPUT_TOKENS: ("usage.prompt_tokens", "x_groq.usage.prompt_tokens"),
    keys.USAGE_OUTPUT_TOKENS: ("usage.completion_tokens", "x_groq.usage.completion_tokens"),
    keys.USAGE_CACHE_READ: (
        "usage.prompt_tokens_details.cached_tokens",
        # DeepSeek: api-docs.deepseek.com/guides/kv_cache; Moonshot puts it beside the totals.
        "usage.prompt_cache_hit_tokens",
        "usage.cached_tokens",
        "x_groq.usage.prompt_tokens_details.cached_tokens",
    ),
    keys.USAGE_CACHE_WRITE: (
        "usage.prompt_tokens_details.cache_write_tokens",
        "usage.prompt_tokens_details.cache_creation_tokens",
    ),
    keys.USAGE_AUDIO_INPUT: "usage.prompt_tokens_details.audio_tokens",
    keys.USAGE_IMAGE_INPUT: "usage.prompt_tokens_details.image_tokens",
    keys.USAGE_TEXT_INPUT: "usage.prompt_tokens_details.text_tokens",
    keys.USAGE_REASONING: "usage.completion_tokens_details.reasoning_tokens",
    keys.USAGE_AUDIO_OUTPUT: "usage.completion_tokens_details.audio_tokens",
    keys.USAGE_IMAGE_OUTPUT: "usage.completion_tokens_details.image_tokens",
    keys.USAGE_TEXT_OUTPUT: "usage.completion_tokens_details.text_tokens",
    keys.OPENAI_RESPONSE_SERVICE_TIER: "service_tier",
    keys.OPENAI_SYSTEM_FINGERPRINT: "system_fingerprint",
}


def _cost(response: Any) -> float | None:
    """OpenRouter says what it charges: `usage.cost` in US dollars; Perplexity nests a total."""
    cost = pick(response, "usage.cost")
    if cost is not None and not isinstance(cost, int | float):
        cost = pick(cost, "total_cost")
    return float(cost) if isinstance(cost, int | float) else None


def _cost_currency(response: Any) -> str | None:
    return None if _cost(response) is None else "USD"


def _cost_source(response: Any) -> str | None:
    return None if _cost(response) is None else "provider"


CHARGED: Table = {
    keys.COST_AMOUNT: _cost,
    keys.COST_CURRENCY: _cost_currency,
    keys.COST_SOURCE: _cost_source,
}


def _finish_by_index(chunk: Any) -> dict[int, str]:
    return {
        pick(choice, "index") or 0: reason
        for choice in pick(chunk, "choices") or ()
        if (reason := pick(choice, "finish_reason"))
    }


def _says_something(chunk: Any) -> bool:
    if chunk.usage is not None:
        return True
    return any(choice.finish_reason for choice in chunk.choices or ())


CHAT = Call(
    "chat",
    request={
        **SAMPLING,
        keys.REQUEST_MAX_TOKENS: ("max_completion_tokens", "max_tokens"),
        keys.REQUEST_CHOICE_COUNT: _several("n"),
        keys.REQUEST_REASONING_LEVEL: "reasoning_effort",
        keys.OUTPUT_TYPE: _chat_output_type,
    },
    response={
        **COMPLETION_USAGE,
        **CHARGED,
        keys.RESPONSE_FINISH_REASONS: "choices[].finish_reason",
    },
    chunk={**COMPLETION_USAGE, **CHARGED, keys.RESPONSE_FINISH_REASONS: _finish_by_index},
    notable=_says_something,
    constant={keys.OPENAI_API_TYPE: "chat_completions"},
)

INCLUDES_USAGE = frozenset(
    {"openai", "azure.ai.openai", "openrouter", "deepseek", "groq", "cerebras", "together_ai"}
    | {"fireworks_ai", "vllm", "ollama", "lm_studio"}
)
"""Providers whose API takes `stream_options.include_usage`; others refuse what they do not know."""


LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""Here answers one of vLLM, SGLang, llama.cpp, Ollama, LM Studio, LiteLLM: all take the option."""


def _ask_usage(client: Any, options: Any, request: Request, settings: Settings) -> Any:
    if request.call not in (CHAT,):
        return None
    provider, host, port = request.server
    if provider not in INCLUDES_USAGE:
        return None
    known = from_host(host) or host in settings.hosts or f"{host}:{port}" in settings.hosts
    if provider == "openai" and not known and host not in LOOPBACK:
        # An unknown host that speaks OpenAI's API: it may refuse options it does not know.
        return None
    body = options.json_data
    if not isinstance(body, Mapping) or "data_sources" in (options.extra_json or {}):
        return None
    version = str(getattr(client, "_api_version", None) or "9999")
    if version < "2024-09":
        # Azure refuses the option before API version 2024-09-01-preview.
        return None
    chosen = (options.extra_json or {}).get("stream_options", body.get("stream_options"))
    if chosen is None:
        chosen = {}
    if not isinstance(chosen, Mapping) or "include_usage" in chosen:
        return None
    options.json_data = {**body, "stream_options": {**chosen, "include_usage": True}}
    return _usage_only


def _usage_only(chunk: Any) -> bool:
    return not chunk.choices and getattr(chunk, "usage", None) is not None


PROVIDER = Provider(
    "openai",
    requires="openai >= 1.30",
    hooks=hooks(
        "openai",
        {"/chat/completions": CHAT},
        server=_server,
        ask_usage=_ask_usage,
    ),
)
