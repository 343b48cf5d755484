"""OpenAI's chat completions: where their values are, for every SDK and host that speaks them.

Input: the wire body of a request, and the SDK's objects of a response or chunk. Output: the tables
of a `Call`. Totals are made inclusive here where a host counts reasoning beside them (xAI, Gemini).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from spantoll.instrumentation.apis import openai_content
from spantoll.instrumentation.caller import CallerTable
from spantoll.instrumentation.provider import Call
from spantoll.instrumentation.reading import Table, Via, pick
from spantoll.instrumentation.values import as_list, unless_one
from spantoll.semconv import attributes as keys

__all__ = [
    "CALLER",
    "CHAT",
    "COMPLETION",
    "COMPLETION_USAGE",
    "COST",
    "INCLUDES_USAGE",
    "OUTPUT_TYPES",
    "SAMPLING",
    "combine_totals",
    "finish_by_index",
    "with_usage",
]

INCLUDES_USAGE = frozenset(
    {"openai", "azure.ai.openai", "openrouter", "deepseek", "groq", "cerebras", "together_ai"}
    | {"fireworks_ai", "vllm", "ollama", "lm_studio"}
)
"""Providers whose API takes `stream_options.include_usage`; others refuse what they do not know, or
report usage unasked (Mistral, Perplexity, xAI)."""
OUTPUT_TYPES = {"text": "text", "json_object": "json", "json_schema": "json"}


def with_usage(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the options that ask a stream for usage; None where the caller has chosen."""
    options = body.get("stream_options")
    if options is not None and (not isinstance(options, Mapping) or "include_usage" in options):
        return None
    return {"stream_options": {**(options or {}), "include_usage": True}}


_TOTAL, _BYOK, _UPSTREAM, _TICKS = "_total", "_byok", "_upstream", "_ticks"
_CHARGES = frozenset({keys.SPANTOLL_COST_AMOUNT, _BYOK, _UPSTREAM, _TICKS})
TICKS_PER_USD = 10_000_000_000
"""xAI reports what it charges in ticks (docs.x.ai/developers/cost-tracking)."""


def combine_totals(found: dict[str, Any]) -> None:
    """Make totals inclusive where a host counts reasoning, or charges an upstream, beside them."""
    total = found.pop(_TOTAL, None)
    prompt = found.get(keys.USAGE_INPUT_TOKENS, 0)
    output = found.get(keys.USAGE_OUTPUT_TOKENS)
    if type(total) is int and type(prompt) is int and type(output) is int:
        # xAI and Gemini's OpenAI endpoint count reasoning into the total only.
        rest = total - prompt - output
        if rest > 0 and found.get(keys.USAGE_REASONING, rest) in (0, rest):
            found[keys.USAGE_OUTPUT_TOKENS] = output + rest
    if _CHARGES.isdisjoint(found):
        # Most hosts report no charge, and this runs for each response.
        return
    byok, upstream = found.pop(_BYOK, False), found.pop(_UPSTREAM, None)
    ticks = found.pop(_TICKS, None)
    if type(ticks) is int:
        found[keys.SPANTOLL_COST_AMOUNT] = ticks / TICKS_PER_USD
    cost = found.get(keys.SPANTOLL_COST_AMOUNT)
    if cost is None:
        return
    if isinstance(cost, int | float):
        # OpenRouter with a key of one's own: the upstream's charge comes on top of its fee.
        if byok is True and isinstance(upstream, int | float):
            # Added as decimals; an attribute of a span can only be a double.
            cost = float(Decimal(str(cost)) + Decimal(str(upstream)))
        found[keys.SPANTOLL_COST_AMOUNT] = cost
        found[keys.SPANTOLL_COST_CURRENCY] = "USD"
        found[keys.SPANTOLL_COST_SOURCE] = "provider"
    else:
        del found[keys.SPANTOLL_COST_AMOUNT]


def finish_by_index(chunk: Any) -> dict[int, str]:
    """Reasons of a chunk by the choice they end: choices of a stream do not end together."""
    return {
        pick(choice, "index") or 0: reason
        for choice in pick(chunk, "choices") or ()
        if (reason := pick(choice, "finish_reason"))
    }


def _has_values(chunk: Any) -> bool:
    if chunk.usage is not None:
        return True
    for choice in chunk.choices or ():  # noqa: SIM110 - a generator would cost as much again
        if choice.finish_reason is not None:
            return True
    return False


SAMPLING: Table = {
    keys.REQUEST_MODEL: "model",
    keys.REQUEST_TEMPERATURE: "temperature",
    keys.REQUEST_TOP_P: "top_p",
    keys.REQUEST_TOP_K: "top_k",
    keys.REQUEST_SEED: "seed",
    keys.REQUEST_FREQUENCY_PENALTY: "frequency_penalty",
    keys.REQUEST_PRESENCE_PENALTY: "presence_penalty",
    keys.REQUEST_STOP_SEQUENCES: Via("stop", as_list),
    keys.REQUEST_MAX_TOKENS: ("max_completion_tokens", "max_tokens"),
    keys.REQUEST_CHOICE_COUNT: Via("n", unless_one),
    keys.OPENAI_REQUEST_SERVICE_TIER: "service_tier",
    # Search models and Perplexity charge by it.
    keys.SPANTOLL_SEARCH_CONTEXT_SIZE: "web_search_options.search_context_size",
}

CALLER: CallerTable = {
    # Azure has an end user of its own for alerts (learn.microsoft.com, UserSecurityContext).
    "user": ("user", "user_security_context.end_user_id"),
    "safety_identifier": "safety_identifier",
    "prompt_cache_key": "prompt_cache_key",
    "metadata": "metadata",
    # OpenRouter's (openrouter.ai/docs, session_id).
    "session": "session_id",
}
"""Also OpenRouter's, Groq's and Cerebras', as far as they have these fields."""

COST: Table = {
    # OpenRouter reports what it charges, in US dollars; Perplexity nests a total.
    keys.SPANTOLL_COST_AMOUNT: ("usage.cost", "usage.cost.total_cost"),
    _BYOK: "usage.is_byok",
    _UPSTREAM: "usage.cost_details.upstream_inference_cost",
    _TICKS: "usage.cost_in_usd_ticks",
}

COMPLETION_USAGE: Table = {
    keys.RESPONSE_ID: "id",
    keys.RESPONSE_MODEL: "model",
    keys.USAGE_INPUT_TOKENS: ("usage.prompt_tokens", "x_groq.usage.prompt_tokens"),
    keys.USAGE_OUTPUT_TOKENS: ("usage.completion_tokens", "x_groq.usage.completion_tokens"),
    _TOTAL: ("usage.total_tokens", "x_groq.usage.total_tokens"),
    keys.USAGE_CACHE_READ: (
        "usage.prompt_tokens_details.cached_tokens",
        # DeepSeek (api-docs.deepseek.com/guides/kv_cache); Moonshot puts it beside the totals.
        "usage.prompt_cache_hit_tokens",
        "usage.cached_tokens",
        "x_groq.usage.prompt_tokens_details.cached_tokens",
    ),
    keys.USAGE_CACHE_WRITE: (
        "usage.prompt_tokens_details.cache_write_tokens",
        "usage.prompt_tokens_details.cache_creation_tokens",
    ),
    keys.USAGE_TEXT_INPUT: "usage.prompt_tokens_details.text_tokens",
    keys.USAGE_AUDIO_INPUT: "usage.prompt_tokens_details.audio_tokens",
    keys.USAGE_IMAGE_INPUT: "usage.prompt_tokens_details.image_tokens",
    keys.USAGE_REASONING: (
        "usage.completion_tokens_details.reasoning_tokens",
        "usage.reasoning_tokens",
        "x_groq.usage.completion_tokens_details.reasoning_tokens",
    ),
    keys.USAGE_TEXT_OUTPUT: "usage.completion_tokens_details.text_tokens",
    keys.USAGE_AUDIO_OUTPUT: "usage.completion_tokens_details.audio_tokens",
    keys.USAGE_IMAGE_OUTPUT: "usage.completion_tokens_details.image_tokens",
    # Perplexity (docs.perplexity.ai, pricing): searches are billed beside tokens.
    keys.SPANTOLL_USAGE_PREFIX + "web_searches": "usage.num_search_queries",
    keys.SPANTOLL_USAGE_PREFIX + "citation_tokens": "usage.citation_tokens",
    keys.OPENAI_RESPONSE_SERVICE_TIER: "service_tier",
    keys.OPENAI_SYSTEM_FINGERPRINT: "system_fingerprint",
    keys.SPANTOLL_REQUEST_ID: "_request_id",
    **COST,
}
COMPLETION_RESPONSE: Table = {
    **COMPLETION_USAGE,
    keys.RESPONSE_FINISH_REASONS: "choices[].finish_reason",
}
COMPLETION_CHUNK: Table = {**COMPLETION_USAGE, keys.RESPONSE_FINISH_REASONS: finish_by_index}

CHAT = Call(
    "chat",
    request={
        **SAMPLING,
        keys.REQUEST_REASONING_LEVEL: ("reasoning_effort", "reasoning.effort"),
        keys.OUTPUT_TYPE: (
            Via("modalities", lambda kinds: "speech" if "audio" in kinds else None),
            Via("response_format.type", OUTPUT_TYPES.get),
        ),
    },
    caller=CALLER,
    response=COMPLETION_RESPONSE,
    chunk=COMPLETION_CHUNK,
    has_values=_has_values,
    refine=combine_totals,
    constant={keys.OPENAI_API_TYPE: "chat_completions"},
    messages=openai_content.chat_messages,
    answers=openai_content.chat_answers,
    stream_answers=openai_content.chat_chunks,
)

COMPLETION = Call(
    "text_completion",
    request=SAMPLING,
    caller=CALLER,
    response=COMPLETION_RESPONSE,
    chunk=COMPLETION_CHUNK,
    has_values=_has_values,
    refine=combine_totals,
)
