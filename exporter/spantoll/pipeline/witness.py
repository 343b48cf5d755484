from __future__ import annotations

from spantoll.records.record import UsageRecord
from spantoll.semconv.call import BILLABLE_ROLES

__all__ = ["clear_of", "has_usage", "is_billable", "rank", "same_model", "same_usage"]

QUALITY = {"exact": 0, "assumed": 1, "partial": 2, "inconsistent": 3, "estimated": 4, "missing": 5}


def is_billable(record: UsageRecord) -> bool:
    """Tell whether a record can stand for a model call of its own."""
    return record.role in BILLABLE_ROLES


def has_usage(record: UsageRecord) -> bool:
    """Tell whether a record says anything about what was used."""
    return (
        bool(record.input_tokens)
        or bool(record.output_tokens)
        or any((record.images, record.audio_ms, record.video_ms, record.characters))
        or record.extra_units is not None
    )


def same_usage(a: UsageRecord, b: UsageRecord) -> bool:
    """Tell whether two records with usage tell the usage of one call.

    Input may differ by exactly the cached tokens, because one of them may have left them out, or
    not know of them.
    """
    if (a.output_tokens or 0) != (b.output_tokens or 0):
        return False
    one, other = a.input_tokens or 0, b.input_tokens or 0
    if one == other:
        return bool(one or a.output_tokens) or _units(a) == _units(b)
    apart = abs(one - other)
    return apart in (*_cached(a), *_cached(b)) and bool(a.output_tokens)


def clear_of(a: UsageRecord, b: UsageRecord) -> bool:
    """Tell whether two usages are certainly of different calls: both are exact, and they differ."""
    return a.usage_quality == b.usage_quality == "exact" and not same_usage(a, b)


def same_model(a: UsageRecord, b: UsageRecord) -> bool:
    """Tell whether two records may name one model: equal, or a dated or prefixed form of it."""
    ones = {_bare(name) for name in (a.request_model, a.response_model) if name}
    others = {_bare(name) for name in (b.request_model, b.response_model) if name}
    return (
        not ones or not others or any(_is_form_of(one, other) for one in ones for other in others)
    )


def _is_form_of(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    # us.anthropic.claude-opus-4-7: a dialect may have cut region and vendor off.
    return long.startswith(short) or long.endswith(f".{short}")


def rank(record: UsageRecord, depth: int) -> tuple[object, ...]:
    """Order witnesses of one call: the one whose record is billed first.

    Certain numbers before guesses, spans before the moments that events are, more detail before
    less, closer to the wire before farther out; at last the ids, so that the order of arrival never
    decides.
    """
    detail = (
        record.cache_read_tokens,
        record.cache_write_tokens,
        record.cache_write_1h_tokens,
        record.reasoning_tokens,
        record.input_audio_tokens,
        record.service_tier,
        record.response_id,
        record.response_model,
        record.server_address,
    )
    return (
        not has_usage(record),
        QUALITY.get(record.usage_quality, len(QUALITY)),
        record.duration_ns == 0,
        -sum(value is not None for value in detail),
        -depth,
        record.duration_ns or 0,
        record.trace_id,
        record.span_id,
    )


def _cached(record: UsageRecord) -> tuple[int, ...]:
    read, write = record.cache_read_tokens or 0, record.cache_write_tokens or 0
    return tuple(cached for cached in (read, write, read + write) if cached)


def _units(record: UsageRecord) -> tuple[object, ...]:
    return record.images, record.audio_ms, record.video_ms, record.characters


def _bare(model: str) -> str:
    return model.rsplit("/", 1)[-1].lower()
