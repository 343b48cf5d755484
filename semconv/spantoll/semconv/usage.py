from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from spantoll.semconv.call import Usage, UsageQuality
from spantoll.semconv.numbers import INT64, integer

__all__ = ["COUNTERS", "Counting", "Reading", "read_usage"]

COUNTERS: dict[str, str | None] = {
    "input": "input_tokens",
    "output": "output_tokens",
    "total": None,
    "uncached": None,
    "cache_read": "cache_read_tokens",
    "cache_write": "cache_write_tokens",
    "cache_write_5m": None,
    "cache_write_1h": "cache_write_1h_tokens",
    "reasoning": "reasoning_tokens",
    "audio_in": "input_audio_tokens",
    "audio_out": "output_audio_tokens",
    "image_in": "input_image_tokens",
    "image_out": "output_image_tokens",
    "text_in": None,
    "images": "images",
    "audio_ms": "audio_ms",
    "video_ms": "video_ms",
    "characters": "characters",
}
"""What a dialect may find -> the counter of `Usage` it is; None for what only helps to decide."""

HELPERS = {name for name, field in COUNTERS.items() if field is None}
PARTS = {"cache_write_1h": "cache_write", "audio_in": "input", "audio_out": "output"}
WRITE_PARTS = {"cache_write_1h", "cache_write_5m"}

CACHE_APART = frozenset({"anthropic", "aws.bedrock"})
"""Providers whose own input counter leaves cached tokens out: an unknown emitter may pass it on."""


THOUGHTS_APART = frozenset({"gcp.gemini", "gcp.gen_ai", "gcp.vertex_ai", "x_ai"})
"""Providers whose own output counter leaves reasoning out, and whose total contains it."""


class Counting(NamedTuple):
    """What a dialect declares of its totals; None = not known, let the numbers decide."""

    input_has_cache: bool | None = None
    output_has_reasoning: bool | None = True
    tells_cache: bool = True
    """False where the emitter has no key for cached tokens: its input may leave them out."""


class Reading(NamedTuple):
    """Usage in our vocabulary, how sure it is, and by which rules it was read."""

    usage: Usage
    quality: UsageQuality
    assumptions: tuple[str, ...]


def read_usage(
    found: Mapping[str, Any], counting: Counting, *, provider: str | None, billable: bool
) -> Reading:
    """Turn what a dialect found into inclusive counters.

    `found` maps the names of COUNTERS, `extra` and `usage_status` to raw attribute values.
    """
    notes: list[str] = []
    flawed = assumed = False
    counters: dict[str, int] = {}
    for name, raw in found.items():
        if name in COUNTERS and raw is not None:
            number = raw if type(raw) is int and 0 <= raw <= INT64 else integer(raw)
            if number is not None:
                counters[name] = number
            else:
                flawed = True
                notes.append(f"{name}: {raw!r:.40} is not a counter")
    get = counters.get
    if get("input") == 0 and not any(counters.values()):
        # No call of a model has an empty input: nobody told, and the emitter wrote 0.
        counters.clear()
        notes.append("usage: all counters are 0, which stands for none told")
    if not counters.keys().isdisjoint(WRITE_PARTS) and "cache_write" not in counters:
        counters["cache_write"] = get("cache_write_1h", 0) + get("cache_write_5m", 0)
    cached = get("cache_read", 0) + get("cache_write", 0)
    if "input" not in counters:
        if "uncached" in counters:
            counters["input"] = counters["uncached"] + cached
            notes.append("input: uncached tokens plus cache reads and writes")
        elif cached:
            counters["input"] = cached
            notes.append("input: only cached tokens were told")
    elif cached:
        inclusive, assumed, note = _input_has_cache(counters, cached, counting, provider)
        if not inclusive:
            counters["input"] += cached
        notes.append(note)
    elif not counting.tells_cache and (provider is None or provider in CACHE_APART):
        assumed = True
        who = provider or "the provider"
        notes.append(f"input: cached tokens, which {who} may count apart, are not told here")
    rest = 0
    if provider in THOUGHTS_APART and {"input", "output", "total"} <= counters.keys():
        rest = counters["total"] - counters["input"] - counters["output"]
    if (reasoning := get("reasoning", 0)) and "output" in counters:
        if counting.output_has_reasoning is False:
            counters["output"] += reasoning
            notes.append("output: reasoning tokens added, declared apart by the dialect")
        elif reasoning > counters["output"]:
            counters["output"] += reasoning
            notes.append("output: reasoning exceeds it, so it was told apart")
        elif reasoning == rest:
            counters["output"] += reasoning
            notes.append("output: the total needs reasoning tokens added, so they were")
    elif rest > 0:
        assumed = True
        counters["output"] += rest
        counters["reasoning"] = rest
        notes.append(f"output: {rest} tokens that only the total has are taken for reasoning")
    for total in ("input", "output"):
        if get(total, 0) > INT64:
            flawed = True
            notes.append("a total exceeds 64 bits")
            del counters[total]
    if not counters.keys().isdisjoint(PARTS) and _contradicts(counters):
        flawed = True
        notes.append("a part exceeds its total")
    extra = _extra(found["extra"]) if "extra" in found else None
    usage = Usage(
        **{field: counters[name] for name in counters if (field := COUNTERS[name]) is not None},
        extra=extra,
    )
    status = found.get("usage_status")
    if status == "estimated":
        notes.append("usage: estimated by the instrumentation, the provider told it none")
    quality: UsageQuality
    if flawed:
        quality = "inconsistent"
    elif status in ("partial", "estimated"):
        quality = status
    elif billable and counters.keys() <= HELPERS and extra is None:
        quality = "missing"
    else:
        quality = "assumed" if assumed else "exact"
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


def _contradicts(counters: Mapping[str, int]) -> bool:
    """A part that is larger than the total it must be in; without a total there is nothing said."""
    return any(
        part in counters and total in counters and counters[part] > counters[total]
        for part, total in PARTS.items()
    )


def _extra(units: object) -> Mapping[str, int | Decimal] | None:
    if not isinstance(units, Mapping):
        return None
    return {name: number for name, number in units.items() if number} or None
