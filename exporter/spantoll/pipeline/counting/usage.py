"""What a record reports, and the comparisons of two records that the evidence is made of.

Input: records as their own spans reported them. All functions are pure. Counters follow
`semconv.Usage`: totals are inclusive, None is unknown.
"""

from __future__ import annotations

from spantoll.records.record import UsageRecord
from spantoll.records.reported import end_ns, reports_usage

__all__ = [
    "is_exact",
    "overlap",
    "rank",
    "same_model",
    "same_units",
    "same_usage",
    "uncached_inputs",
    "within",
]

QUALITY = {"exact": 0, "assumed": 1, "partial": 2, "inconsistent": 3, "estimated": 4, "missing": 5}


def is_exact(record: UsageRecord) -> bool:
    """Return True if the counters are the provider's and complete."""
    return QUALITY.get(record.usage_quality, len(QUALITY)) <= QUALITY["assumed"]


def same_usage(a: UsageRecord, b: UsageRecord) -> bool:
    """Return True if two records with usage can report the usage of one call.

    Input may differ by exactly the cached tokens: one of the two may leave them out, or not know
    of them (langfuse#14754).
    """
    if (a.output_tokens or 0) != (b.output_tokens or 0):
        return False
    if (a.input_tokens or 0) == (b.input_tokens or 0):
        return bool(a.input_tokens or a.output_tokens) or same_units(a, b)
    return bool(a.output_tokens) and not uncached_inputs(a).isdisjoint(uncached_inputs(b))


def same_units(a: UsageRecord, b: UsageRecord) -> bool:
    """Return True if what is not counted in tokens is equal."""
    return _units(a) == _units(b)


def uncached_inputs(record: UsageRecord) -> set[int]:
    """Return the input tokens, with and without the cached tokens they may contain."""
    read, write = record.cache_read_tokens or 0, record.cache_write_tokens or 0
    inclusive = record.input_tokens or 0
    return {inclusive, inclusive - read, inclusive - write, inclusive - read - write}


def same_model(a: UsageRecord, b: UsageRecord) -> bool:
    """Return True if two records may name one model: equal, or a dated or prefixed form of it."""
    ours = {_bare_model(name) for name in (a.request_model, a.response_model) if name}
    theirs = {_bare_model(name) for name in (b.request_model, b.response_model) if name}
    return not ours or not theirs or any(_is_form(one, two) for one in ours for two in theirs)


def within(a: UsageRecord, b: UsageRecord) -> bool:
    """Return True if the time of one span lies within the time of the other."""
    return (a.started_ns <= b.started_ns and end_ns(b) <= end_ns(a)) or (
        b.started_ns <= a.started_ns and end_ns(a) <= end_ns(b)
    )


def overlap(a: UsageRecord, b: UsageRecord, *, slack_ns: int = 0) -> bool:
    """Return True if the times of two spans touch, or are at most `slack_ns` apart."""
    return a.started_ns <= end_ns(b) + slack_ns and b.started_ns <= end_ns(a) + slack_ns


def rank(record: UsageRecord, calls_above: int) -> tuple[object, ...]:
    """Order the reports of one call: the record that sorts first is billed.

    Exact counters before estimates, spans before zero-length spans, more detail before less,
    closer to the wire (more calls above it) before farther out. The ids decide last, so that the
    order of arrival never does.
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
        not reports_usage(record),
        QUALITY.get(record.usage_quality, len(QUALITY)),
        record.duration_ns == 0,
        -sum(value is not None for value in detail),
        -calls_above,
        record.duration_ns or 0,
        record.trace_id,
        record.span_id,
    )


def _units(record: UsageRecord) -> tuple[object, ...]:
    return record.images, record.audio_ms, record.video_ms, record.characters, record.extra_units


def _is_form(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    # us.anthropic.claude-opus-4-7: a dialect may have cut region and vendor off.
    return long.startswith(short) or long.endswith(f".{short}")


def _bare_model(model: str) -> str:
    return model.rsplit("/", 1)[-1].lower()
