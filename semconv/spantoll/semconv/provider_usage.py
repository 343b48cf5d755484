"""The usage object of a provider's answer -> raw counters, by field of `fields.Found`.

Emitters that leave counters out of their attributes often dump this object, or the whole answer.
A path is the keys of nested mappings, joined by dots; of several paths the first is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, cast

from spantoll.semconv.fields import Found, check_fields, name_fields
from spantoll.semconv.genai import Keys
from spantoll.semconv.values import decimal, flag, integer

__all__ = [
    "MAX_ANSWER_CHARS",
    "add_missing",
    "make_paths",
    "read_billed_cost",
    "read_counters",
    "read_parts",
    "read_paths",
    "read_totals",
]

MAX_ANSWER_CHARS = 1 << 18
"""An answer that is longer is not searched for its usage."""

PATHS: Keys = {
    "input": ("prompt_tokens", "input_tokens", "input"),
    "output": ("completion_tokens", "output_tokens", "output"),
    "total": ("total_tokens", "total"),
    "cache_read": (
        "prompt_tokens_details.cached_tokens",
        "input_tokens_details.cached_tokens",
        "cache_read_input_tokens",
        "cacheReadInputTokens",
        "cacheReadInputTokenCount",
        "input_cached_tokens",
        "input_cache_read",
        "prompt_cache_hit_tokens",
    ),
    "cache_write": (
        "prompt_tokens_details.cache_write_tokens",
        "input_tokens_details.cache_write_tokens",
        "cache_creation_input_tokens",
        "cacheWriteInputTokens",
        "cacheWriteInputTokenCount",
        "input_cache_creation",
    ),
    "cache_write_5m": (
        "cache_creation.ephemeral_5m_input_tokens",
        "input_cache_creation_5m",
        "input_ephemeral_5m_input_tokens",
    ),
    "cache_write_1h": (
        "cache_creation.ephemeral_1h_input_tokens",
        "cache_creation_input_tokens_above_1hr",
        "prompt_tokens_details.cache_creation_token_details.ephemeral_1h_input_tokens",
        "input_cache_creation_1h",
        "input_ephemeral_1h_input_tokens",
        "cache_creation_ephemeral_1h_input_tokens",
    ),
    "reasoning": (
        "completion_tokens_details.reasoning_tokens",
        "output_tokens_details.reasoning_tokens",
        "output_reasoning_tokens",
        "output_reasoning",
    ),
    "audio_in": (
        "prompt_tokens_details.audio_tokens",
        "input_tokens_details.audio_tokens",
        "input_audio_tokens",
        "input_audio",
    ),
    "audio_out": (
        "completion_tokens_details.audio_tokens",
        "output_tokens_details.audio_tokens",
        "output_audio_tokens",
        "output_audio",
    ),
    "image_in": ("input_tokens_details.image_tokens",),
    "cost_ticks": ("cost_in_usd_ticks",),
    "service_tier": ("service_tier",),
    "speed": ("speed",),
    "data_residency": ("inference_geo",),
}
"""As providers and Langfuse name them; of Anthropic also how the call was served."""
check_fields(PATHS, "spantoll.semconv.provider_usage")

PARTS = name_fields(
    *("cache_read", "cache_write", "cache_write_5m", "cache_write_1h", "reasoning"),
    *("audio_in", "audio_out", "service_tier", "speed", "data_residency"),
    owner="spantoll.semconv.provider_usage",
)
ANTHROPIC_KEYS = frozenset({"cache_read_input_tokens", "cache_creation_input_tokens"})

MOST_FEE = Decimal("0.1")
"""Of the share of the provider, with a key of one's own: twice what it is, for rounded costs."""


def make_paths(paths: Keys, *, owner: str) -> Keys:
    """Check the fields of a table of paths and return it. Raises UnknownField."""
    check_fields(paths, owner)
    return paths


def read_paths(usage: Mapping[str, Any], paths: Keys) -> Found:
    """Read the fields of a table of paths from nested mappings; what is null is left out."""
    found: dict[str, Any] = {}
    for name, spellings in paths.items():
        for path in spellings:
            value = _read_path(usage, path)
            if value is not None:
                found[name] = value
                break
    return cast("Found", found)


def read_counters(usage: Mapping[str, Any]) -> Found:
    """Read the usage object of a provider's answer; what each number means is decided elsewhere."""
    found = read_paths(usage, PATHS)
    cost = read_billed_cost(usage)
    if cost is not None:
        found["cost"] = cost
    return found


def read_billed_cost(usage: Mapping[str, Any]) -> Decimal | None:
    """Read what OpenRouter bills in USD; with a key of one's own, what the provider bills too.

    There `cost` is OpenRouter's fee alone, 5 % or 0; elsewhere it contains the provider's share, so
    that a cost far below the share shows a key of one's own where `is_byok` is not reported, as by
    the AI SDK (https://openrouter.ai/docs/use-cases/usage-accounting).
    """
    cost = decimal(usage.get("cost"))
    upstream = decimal(
        _read_path(usage, "cost_details.upstream_inference_cost")
        or _read_path(usage, "costDetails.upstreamInferenceCost")
    )
    own_key = flag(usage.get("is_byok"))
    if own_key is None:
        own_key = cost is not None and upstream is not None and upstream * MOST_FEE > cost
    if own_key and upstream is not None:
        return (cost or Decimal(0)) + upstream
    return cost


def read_parts(usage: Mapping[str, Any]) -> Found:
    """Read parts of totals, and how the call was served: for spans whose totals are attributes."""
    found = {name: count for name, count in read_counters(usage).items() if name in PARTS}
    return cast("Found", found)


def read_totals(usage: Mapping[str, Any]) -> Found:
    """Read a usage object whole; an input that leaves the cache out is found as `uncached`.

    The keys show whose it is: OpenAI's counters contain the cache, Anthropic's and Bedrock's do
    not (`cache_read_input_tokens`, `inputTokens`), and Gemini's output leaves thoughts out.
    """
    found = read_counters(usage)
    if "promptTokenCount" in usage or "prompt_token_count" in usage:
        _read_gemini(usage, found)
    elif "inputTokens" in usage:
        found["uncached"], found["output"] = usage["inputTokens"], usage.get("outputTokens")
    elif _is_anthropic(usage) and "input" in found:
        found["uncached"] = found.pop("input")
    return found


def _is_anthropic(usage: Mapping[str, Any]) -> bool:
    return not ANTHROPIC_KEYS.isdisjoint(usage) and "prompt_tokens" not in usage


def add_missing(found: Found, more: Found) -> None:
    """Add the fields that a span's own attributes left out."""
    values = cast("dict[str, Any]", found)
    for name, value in more.items():
        values.setdefault(name, value)


def _read_gemini(usage: Mapping[str, Any], found: Found) -> None:
    def read(camel: str, snake: str) -> int | None:
        return integer(usage.get(camel, usage.get(snake)))

    prompt = read("promptTokenCount", "prompt_token_count")
    by_tools = read("toolUsePromptTokenCount", "tool_use_prompt_token_count")
    candidates = read("candidatesTokenCount", "candidates_token_count")
    thoughts = read("thoughtsTokenCount", "thoughts_token_count")
    cached = read("cachedContentTokenCount", "cached_content_token_count")
    if prompt is not None or by_tools:
        found["input"] = (prompt or 0) + (by_tools or 0)
    if candidates is not None or thoughts:
        found["output"] = (candidates or 0) + (thoughts or 0)
    if cached is not None:
        found["cache_read"] = cached
    if thoughts is not None:
        found["reasoning"] = thoughts


def _read_path(usage: Mapping[str, Any], path: str) -> object:
    if "." not in path:
        return usage.get(path)
    value: object = usage
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value
