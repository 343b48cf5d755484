"""The usage object of a provider's answer, sent as it is -> `usage`, `context` of docs/prices.md.

Input: `usage` of an event or of a line of `spantoll price`. Output: the same in our names, where it
has a key that only OpenAI, Anthropic, Bedrock or Gemini writes. Anthropic's and Bedrock's input
leaves cached tokens out, Gemini's output leaves thoughts out: here totals contain their parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spantoll.semconv.provider_usage import PATHS, read_totals
from spantoll.semconv.values import integer

__all__ = ["COST_MEMBERS", "is_usage_object", "read_serving", "translate_usage"]

SIGNATURES = frozenset(
    {
        *("prompt_tokens", "completion_tokens", "input_tokens_details", "output_tokens_details"),
        *("cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation"),
        *("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheWriteInputTokens"),
    }
)
GEMINI = {
    name: "".join((first, *(word.title() for word in rest)))
    for name in (
        *("prompt_token_count", "candidates_token_count", "thoughts_token_count"),
        *("cached_content_token_count", "tool_use_prompt_token_count", "total_token_count"),
    )
    for first, *rest in [name.split("_")]
}
"""Gemini's counters, in the spelling of its SDK for Python and in that of the API."""
COST_MEMBERS = ("cost", "is_byok", "cost_details", "cost_in_usd_ticks")
"""What OpenRouter and xAI say they bill, in US dollars and ticks."""
SERVING = {
    "service_tier": "service_tier_response",
    "speed": "speed_response",
    "inference_geo": "inference_geo",
}
"""Members by which Anthropic's usage says how the call was served -> members of `context`."""
MAX_SERVING_CHARS = 32
"""Columns of a record hold no more."""
READ = frozenset(
    {
        *(path.partition(".")[0] for paths in PATHS.values() for path in paths),
        *(*GEMINI, *GEMINI.values(), "inputTokens", "outputTokens", "totalTokens"),
        *("server_tool_use", *COST_MEMBERS),
    }
)
"""Members whose counters are read; the others stay as they are."""
NAMES = {
    "input": "input_tokens",
    "output": "output_tokens",
    **{name: name for name in ("cache_read", "cache_write", "cache_write_1h", "reasoning")},
    **{name: name for name in ("audio_in", "audio_out", "image_in")},
}
"""Fields of dialects to those of docs/prices.md."""


def is_usage_object(usage: Mapping[str, Any]) -> bool:
    """Return True if a usage is in the words of a provider, not in ours."""
    keys = usage.keys()
    return not (SIGNATURES | GEMINI.keys()).isdisjoint(keys) or not keys.isdisjoint(GEMINI.values())


def read_serving(usage: Mapping[str, Any]) -> dict[str, str]:
    """Read from a usage how the call was served, as members of `context` of docs/prices.md."""
    return {SERVING[name]: value for name, value in usage.items() if _says_serving(name, value)}


def _says_serving(name: str, value: object) -> bool:
    return name in SERVING and isinstance(value, str) and 0 < len(value) <= MAX_SERVING_CHARS


def translate_usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    """Write a provider's usage object in our names; members that are not its own are kept.

    What `read_serving` reads is left out, of a usage in our names too.
    """
    usage = {name: value for name, value in usage.items() if not _says_serving(name, value)}
    if not is_usage_object(usage):
        return usage
    found: dict[str, Any] = {**read_totals(usage)}
    lifetimes = [found.get(f"cache_write_{name}") for name in ("5m", "1h")]
    if any(lifetimes):
        found.setdefault("cache_write", sum(integer(each) or 0 for each in lifetimes))
    if "uncached" in found:
        cached = (integer(found.get(part)) or 0 for part in ("cache_read", "cache_write"))
        uncached = integer(found["uncached"])
        found["input"] = found["uncached"] if uncached is None else uncached + sum(cached)
    tools = usage.get("server_tool_use")
    searches = tools.get("web_search_requests") if isinstance(tools, Mapping) else None
    return {
        **{name: value for name, value in usage.items() if name not in READ or name in SERVING},
        **{NAMES[field]: value for field, value in found.items() if field in NAMES},
        **({"web_search_requests": searches} if searches else {}),
    }
