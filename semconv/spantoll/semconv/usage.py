"""Raw counters of one span -> `Usage` with inclusive totals, its quality, and the rules applied.

What a dialect's totals mean is declared by its `Counting`; where nothing is declared, arithmetic on
the counters decides, then the provider's own API, and what was only assumed is marked. Nothing is
clamped: a contradiction stays as it was reported and makes the quality `inconsistent`.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from spantoll.semconv.call import Usage, UsageQuality
from spantoll.semconv.fields import COUNTERS
from spantoll.semconv.values import INT64, integer

__all__ = [
    "CACHE_APART",
    "THOUGHTS_APART",
    "UNDECLARED",
    "UNKNOWN_EMITTER",
    "UNREAD_CACHE",
    "Counting",
    "Reading",
    "find_unread_cache",
    "read_usage",
]

Counters = dict[str, int]
"""Name in COUNTERS -> number; what is not known is absent."""

UNKNOWN_EMITTER = "usage of an emitter that is not known, perhaps a sum of calls"
"""The note on usage under names that agents give to their sums too."""
UNREAD_CACHE = "cached tokens may be in "
"""How the note on a counter begins that may be cached tokens and was not read."""
NOT_REPORTED: list[Any] = list(Usage())
EXTRA = Usage._fields.index("extra")
POSITIONS = {
    name: Usage._fields.index(field) if field else None for name, field in COUNTERS.items()
}
"""Counter -> its position in `Usage`; None for evidence."""
EVIDENCE = frozenset(name for name, target in COUNTERS.items() if not target)
"""Counters that only help to decide what the others mean."""
PARTS = {"cache_write_1h": "cache_write", "audio_in": "input", "audio_out": "output"}
"""Counter -> the total that contains it."""
CACHE_WRITE_PARTS = frozenset({"cache_write_1h", "cache_write_5m"})
MODALITIES = ("text_in", "image_in", "audio_in")

CACHE_APART = frozenset({"anthropic", "aws.bedrock"})
"""Providers whose own input counter leaves cached tokens out: an unknown emitter may pass it on."""

THOUGHTS_APART = frozenset({"gcp.gemini", "gcp.gen_ai", "gcp.vertex_ai", "x_ai"})
"""Providers whose own output counter leaves reasoning out, and whose total contains it."""


class Counting(NamedTuple):
    """What a dialect declares of its totals; None: not known, the numbers decide."""

    input_has_cache: bool | None = None
    output_has_reasoning: bool | None = True
    reports_cache: bool = True
    """False where the emitter has no key for cached tokens: its input may leave them out."""


UNDECLARED = Counting()


class Reading(NamedTuple):
    """Usage in our vocabulary, how sure it is, and by which rules it was read."""

    usage: Usage
    quality: UsageQuality
    assumptions: tuple[str, ...]


def read_usage(
    raw: dict[str, Any],
    counting: Counting,
    *,
    provider: str | None,
    billable: bool,
    extra: Mapping[str, int | None] | None = None,
    status: object = None,
) -> Reading:
    """Turn the raw counters of a span, by the names of COUNTERS, into inclusive ones.

    `raw` may be changed in place. `extra` has other units by name. `status` is how far the
    instrumentation trusts its own numbers: partial or estimated; or UNKNOWN_EMITTER.
    """
    counters, notes = _convert(raw)
    flawed = bool(notes)
    if counters.get("input") == 0 and not any(
        number for name, number in counters.items() if name != "total"
    ):
        # No call of a model has an empty input: the emitter knew of no usage and wrote 0, or took
        # out of the totals what it reports under names that are not read.
        counters.clear()
        notes.append("usage: all counters are 0, which stands for not reported")
    assumed = _complete_input(counters, counting, provider, notes)
    assumed = _complete_output(counters, counting, provider, notes) or assumed
    for total in ("input", "output") if notes else ():  # what was added has left a note
        if counters.get(total, 0) > INT64:
            flawed = True
            notes.append("a total exceeds 64 bits")
            del counters[total]
    if not counters.keys().isdisjoint(PARTS) and _has_contradiction(counters):
        flawed = True
        notes.append("a part exceeds its total")
    units = _without_zeros(extra) if extra else None
    values = NOT_REPORTED.copy()
    for name, number in counters.items():
        if (position := POSITIONS[name]) is not None:
            values[position] = number
    values[EXTRA] = units
    if status == "estimated":
        notes.append("usage: estimated by the instrumentation, the provider reported none")
    elif status == UNKNOWN_EMITTER:
        notes.append(UNKNOWN_EMITTER)
        assumed = True
    quality: UsageQuality
    if flawed:
        quality = "inconsistent"
    elif status in ("partial", "estimated"):
        quality = "partial" if status == "partial" else "estimated"
    elif billable and units is None and "input" not in counters and counters.keys() <= EVIDENCE:
        quality = "missing"
    else:
        quality = "assumed" if assumed else "exact"
    return Reading(tuple.__new__(Usage, values), quality, tuple(notes))


def find_unread_cache(numbers: Mapping[str, object], usage: Usage) -> str | None:
    """Name the first of some attributes that counts cached tokens which `usage` does not have.

    What is no more than the cached tokens of `usage` is these, or a part, by another name.
    """
    known = (usage.cache_read_tokens or 0) + (usage.cache_write_tokens or 0)
    for key, value in numbers.items():
        number = integer(value)
        if number is not None and number > known:
            return f"{UNREAD_CACHE}{key}, which no dialect reads"
    return None


def _convert(raw: dict[str, Any]) -> tuple[Counters, list[str]]:
    """Convert raw counters; a note for each that is no counter and is left out.

    Returns `raw` itself where all are counters already, which is nearly always.
    """
    for value in raw.values():
        if type(value) is not int or not 0 <= value <= INT64:
            break
    else:
        return raw, []
    counters: Counters = {}
    notes: list[str] = []
    for name, value in raw.items():
        if value is None:
            continue
        number = value if type(value) is int and 0 <= value <= INT64 else integer(value)
        if number is not None:
            counters[name] = number
        else:
            notes.append(f"{name}: {value!r:.40} is not a counter")
    return counters, notes


def _complete_input(
    counters: Counters, counting: Counting, provider: str | None, notes: list[str]
) -> bool:
    """Make the input contain cached tokens; return True if that rests on an assumption."""
    get = counters.get
    if not counters.keys().isdisjoint(CACHE_WRITE_PARTS) and "cache_write" not in counters:
        counters["cache_write"] = get("cache_write_1h", 0) + get("cache_write_5m", 0)
    cached = get("cache_read", 0) + get("cache_write", 0)
    if "input" not in counters:
        if "uncached" in counters:
            counters["input"] = counters["uncached"] + cached
            notes.append("input: uncached tokens plus cache reads and writes")
        elif cached:
            counters["input"] = cached
            notes.append("input: only cached tokens were reported")
    elif cached:
        inclusive, assumed, note = _input_has_cache(counters, cached, counting, provider)
        if not inclusive:
            counters["input"] += cached
        notes.append(note)
        return assumed
    elif not counting.reports_cache and (provider is None or provider in CACHE_APART):
        who = provider or "the provider"
        notes.append(f"input: cached tokens, which {who} may count apart, are not reported here")
        return True
    return False


def _input_has_cache(
    counters: Counters, cached: int, counting: Counting, provider: str | None
) -> tuple[bool, bool, str]:
    """Decide whether input contains cached tokens: (it does, that is assumed, by which rule)."""
    reported = counters["input"]
    if cached > reported:
        return False, False, "input: cache exceeds it, so cached tokens were added"
    if counting.input_has_cache is True:
        return True, False, "input: contains cached tokens, declared by the dialect"
    if counting.input_has_cache is False:
        return False, False, "input: cached tokens added, declared apart by the dialect"
    uncached = counters.get("uncached")
    if uncached is not None and uncached + cached == reported:
        return True, False, "input: equals uncached plus cached tokens"
    if uncached is not None and uncached == reported:
        return False, False, "input: equals the uncached tokens, so cached tokens were added"
    total, output = counters.get("total"), counters.get("output", 0)
    if total is not None and reported + output == total:
        return True, False, "input: input plus output is the total, so it contains cached tokens"
    if total is not None and reported + output + cached == total:
        return False, False, "input: the total needs cached tokens added, so they were"
    parts = [counters[part] for part in MODALITIES if part in counters]
    if "text_in" in counters and sum(parts) == reported:
        return True, False, "input: equals the sum of its modalities, so it contains cached tokens"
    if provider in CACHE_APART:
        return (
            True,
            True,
            f"input: assumed to contain cached tokens, though {provider} counts them apart",
        )
    return True, False, "input: contains cached tokens, as the convention defines"


def _complete_output(
    counters: Counters, counting: Counting, provider: str | None, notes: list[str]
) -> bool:
    """Make the output contain reasoning; return True if that rests on an assumption."""
    if "output" not in counters:
        return False
    rest = 0
    if provider in THOUGHTS_APART and "total" in counters and "input" in counters:
        rest = counters["total"] - counters["input"] - counters["output"]
    reasoning = counters.get("reasoning", 0)
    if not reasoning:
        if rest <= 0:
            return False
        counters["output"] += rest
        counters["reasoning"] = rest
        notes.append(f"output: {rest} tokens that only the total has are taken for reasoning")
        return True
    if counting.output_has_reasoning is False:
        notes.append("output: reasoning tokens added, declared apart by the dialect")
    elif reasoning > counters["output"]:
        notes.append("output: reasoning exceeds it, so it was reported apart")
    elif reasoning == rest:
        notes.append("output: the total needs reasoning tokens added, so they were")
    else:
        return False
    counters["output"] += reasoning
    return False


def _has_contradiction(counters: Counters) -> bool:
    """Return True if a part is larger than the total it must be in; both must be known."""
    return any(
        part in counters and total in counters and counters[part] > counters[total]
        for part, total in PARTS.items()
    )


def _without_zeros(units: Mapping[str, int | None]) -> Mapping[str, int | Decimal] | None:
    return {name: number for name, number in units.items() if number} or None
