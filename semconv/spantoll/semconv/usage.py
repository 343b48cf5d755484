from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from spantoll.semconv.call import Usage, UsageQuality
from spantoll.semconv.numbers import INT64, integer

__all__ = ["COUNTERS", "Counting", "Reading", "read_usage"]

COUNTERS = (
    "input",
    "output",
    "total",
    "uncached",
    "cache_read",
    "cache_write",
    "cache_write_5m",
    "cache_write_1h",
    "reasoning",
    "audio_in",
    "audio_out",
    "image_in",
    "image_out",
    "text_in",
    "images",
    "audio_ms",
    "video_ms",
    "characters",
)

_COUNTERS = frozenset(COUNTERS)

CACHE_APART = frozenset({"anthropic", "aws.bedrock"})
"""Providers whose own input counter leaves cached tokens out: an unknown emitter may pass it on."""


class Counting(NamedTuple):
    """What a dialect declares of its totals; None = not known, let the numbers decide."""

    input_has_cache: bool | None = None
    output_has_reasoning: bool | None = True


class Reading(NamedTuple):
    """Usage in our vocabulary, how sure it is, and by which rules it was read."""

    usage: Usage
    quality: UsageQuality
    assumptions: tuple[str, ...]


def read_usage(
    found: Mapping[str, Any], counting: Counting, *, provider: str | None, billable: bool
) -> Reading:
    """Turn what a dialect found into inclusive counters.

    `found` maps the names of COUNTERS, and `extra`, to raw attribute values.
    """
    notes: list[str] = []
    flawed = False
    counters: dict[str, int] = {}
    for name, raw in found.items():
        if name in _COUNTERS and raw is not None:
            number = raw if type(raw) is int and 0 <= raw <= INT64 else integer(raw)
            if number is not None:
                counters[name] = number
            else:
                flawed = True
                notes.append(f"{name}: {raw!r:.40} is not a counter")
    get = counters.get
    input_tokens, output_tokens = get("input"), get("output")
    read, write, one_hour = get("cache_read"), get("cache_write"), get("cache_write_1h")
    reasoning = get("reasoning")
    if write is None and (one_hour is not None or "cache_write_5m" in counters):
        write = (one_hour or 0) + (get("cache_write_5m") or 0)
    cached = (read or 0) + (write or 0)
    assumed = False
    if input_tokens is None and get("uncached") is not None:
        input_tokens = counters["uncached"] + cached
        notes.append("input: uncached tokens plus cache reads and writes")
    elif cached and input_tokens is not None:
        inclusive, assumed, note = _input_has_cache(counters, cached, counting, provider)
        if not inclusive:
            input_tokens += cached
        notes.append(note)
    elif cached and input_tokens is None:
        input_tokens = cached
        notes.append("input: only cached tokens were told")
    if reasoning and output_tokens is not None:
        if counting.output_has_reasoning is False:
            output_tokens += reasoning
            notes.append("output: reasoning tokens added, declared apart by the dialect")
        elif reasoning > output_tokens:
            output_tokens += reasoning
            notes.append("output: reasoning exceeds it, so it was told apart")
    if max(input_tokens or 0, output_tokens or 0) > INT64:
        flawed = True
        notes.append("a total exceeds 64 bits")
        input_tokens, output_tokens = None, None
    usage = Usage(
        input_tokens,
        output_tokens,
        read,
        write,
        one_hour,
        reasoning,
        get("audio_in"),
        get("audio_out"),
        get("image_in"),
        get("image_out"),
        get("images"),
        get("audio_ms"),
        get("video_ms"),
        get("characters"),
        1,
        _extra(found.get("extra")),
    )
    if _contradicts(usage):
        flawed = True
        notes.append("a part exceeds its total")
    status = found.get("usage_status")
    quality: UsageQuality
    if flawed:
        quality = "inconsistent"
    elif status in ("partial", "estimated"):
        quality = status
    elif billable and not _any(usage):
        quality = "missing"
    elif assumed:
        quality = "assumed"
    else:
        quality = "exact"
    return Reading(usage, quality, tuple(notes))


def _input_has_cache(
    counters: Mapping[str, int], cached: int, counting: Counting, provider: str | None
) -> tuple[bool, bool, str]:
    """Decide whether input contains cached tokens: (it does, that is assumed, by which rule)."""
    told = counters["input"]
    if cached > told:
        return False, False, "input: cache exceeds it, so cached tokens were added"
    if counting.input_has_cache is True:
        return True, False, "input: contains cached tokens, declared by the dialect"
    if counting.input_has_cache is False:
        return False, False, "input: cached tokens added, declared apart by the dialect"
    uncached = counters.get("uncached")
    if uncached is not None and uncached + cached == told:
        return True, False, "input: equals uncached plus cached tokens"
    if uncached is not None and uncached == told:
        return False, False, "input: equals the uncached tokens, so cached tokens were added"
    total, output = counters.get("total"), counters.get("output", 0)
    if total is not None and told + output == total:
        return True, False, "input: input plus output is the total, so it contains cached tokens"
    if total is not None and told + output + cached == total:
        return False, False, "input: the total needs cached tokens added, so they were"
    parts = [counters[part] for part in ("text_in", "image_in", "audio_in") if part in counters]
    if "text_in" in counters and sum(parts) == told:
        return True, False, "input: equals the sum of its modalities, so it contains cached tokens"
    if provider in CACHE_APART:
        return True, True, f"input: assumed to contain cached tokens, though {provider} tells apart"
    return True, False, "input: contains cached tokens, as the convention says"


def _contradicts(usage: Usage) -> bool:
    write = usage.cache_write_tokens
    if write is not None and (usage.cache_write_1h_tokens or 0) > write:
        return True
    told_in, told_out = usage.input_tokens, usage.output_tokens
    over_in = told_in is not None and (usage.input_audio_tokens or 0) > told_in
    return over_in or (told_out is not None and (usage.output_audio_tokens or 0) > told_out)


def _extra(units: object) -> Mapping[str, int | Decimal] | None:
    if not isinstance(units, Mapping):
        return None
    return {name: number for name, number in units.items() if number} or None


def _any(usage: Usage) -> bool:
    return any(counter is not None for counter in usage[:14]) or usage.extra is not None
