from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spantoll.semconv.numbers import integer

__all__ = ["LONGEST_ANSWER", "counters", "parts", "supplement", "totals"]

LONGEST_ANSWER = 1 << 18
"""Characters of an answer that are worth reading for its usage."""

PATHS: dict[str, tuple[str, ...]] = {
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
    ),
    "cache_write_1h": (
        "cache_creation.ephemeral_1h_input_tokens",
        "cache_creation_input_tokens_above_1hr",
        "prompt_tokens_details.cache_creation_token_details.ephemeral_1h_input_tokens",
        "input_cache_creation_1h",
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
    "cost": ("cost",),
}
"""Counter -> where providers and Langfuse keep it in a usage object, the first that is there."""


APART = frozenset({"cache_read_input_tokens", "cache_creation_input_tokens"})
PARTS = frozenset(
    {"cache_read", "cache_write", "cache_write_5m", "cache_write_1h", "reasoning"}
    | {"audio_in", "audio_out"}
)


def counters(usage: Mapping[str, Any]) -> dict[str, Any]:
    """Read the usage object of a provider's answer; what each number means is not decided here."""
    found: dict[str, Any] = {}
    for name, paths in PATHS.items():
        for path in paths:
            value = _at(usage, path)
            if value is not None:
                found[name] = value
                break
    return found


def parts(usage: Mapping[str, Any]) -> dict[str, Any]:
    """Read only the parts of totals: for spans whose totals are attributes."""
    return {name: count for name, count in counters(usage).items() if name in PARTS}


def supplement(found: dict[str, Any], told: Mapping[str, Any]) -> None:
    """Add counters that a span's own attributes left out."""
    for name, count in told.items():
        found.setdefault(name, count)


def totals(usage: Mapping[str, Any]) -> dict[str, Any]:
    """Read a usage object whole; an input that leaves the cache out is found as `uncached`.

    Its shape tells whose it is: OpenAI's counters contain the cache, Anthropic's and Bedrock's do
    not (`cache_read_input_tokens`, `inputTokens`), and Gemini's output leaves thoughts out.
    """
    found = counters(usage)
    if "promptTokenCount" in usage or "prompt_token_count" in usage:
        _read_gemini(usage, found)
    elif "inputTokens" in usage:
        found["uncached"], found["output"] = usage["inputTokens"], usage.get("outputTokens")
    elif not APART.isdisjoint(usage) and "prompt_tokens" not in usage and "input" in found:
        found["uncached"] = found.pop("input")
    return found


def _read_gemini(usage: Mapping[str, Any], found: dict[str, Any]) -> None:
    def told(camel: str, snake: str) -> int | None:
        return integer(usage.get(camel, usage.get(snake)))

    thoughts = told("thoughtsTokenCount", "thoughts_token_count")
    beside = {
        "input": told("toolUsePromptTokenCount", "tool_use_prompt_token_count"),
        "output": thoughts,
    }
    for total, count in (
        ("input", told("promptTokenCount", "prompt_token_count")),
        ("output", told("candidatesTokenCount", "candidates_token_count")),
    ):
        if count is not None or beside[total]:
            found[total] = (count or 0) + (beside[total] or 0)
    cached = told("cachedContentTokenCount", "cached_content_token_count")
    parts = {"cache_read": cached, "reasoning": thoughts}
    found.update({part: count for part, count in parts.items() if count is not None})


def _at(usage: Mapping[str, Any], path: str) -> object:
    value: object = usage
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value
