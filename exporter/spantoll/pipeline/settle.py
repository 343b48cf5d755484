from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spantoll.pipeline.counting import Verdict, count
from spantoll.pipeline.witness import has_usage, same_usage
from spantoll.pricing import Priced, Rate, RateCard
from spantoll.records import UsageRecord, to_call
from spantoll.records.build import PRICE_COLUMNS, latency_bucket, price_columns, response_key
from spantoll.semconv.call import Attribution
from spantoll.storage import Correction, Settle, Stored

__all__ = ["make_settle"]

WHOM = tuple(field for field in Attribution._fields if field not in ("tenant", "metadata"))

USED = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "reasoning_tokens",
    "input_audio_tokens",
    "output_audio_tokens",
    "input_image_tokens",
    "output_image_tokens",
    "images",
    "audio_ms",
    "video_ms",
    "characters",
    "extra_units",
)
"""Counters a witness may add to a richer one, if both tell of the same totals."""

KNOWN = (
    "provider",
    "provider_raw",
    "provider_instance",
    "request_model",
    "response_model",
    "response_id",
    "operation",
    "request_id",
    "server_address",
    "server_port",
    "deployment",
    "deployment_type",
    "region",
    "service_tier_requested",
    "service_tier",
    "speed",
    "stream",
    "cache_hit",
    "finish_reasons",
    "time_to_first_chunk_ns",
    "image_size",
    "image_quality",
    "reported_cost_nano",
    "reported_cost_source",
    "error_type",
    "error_message",
)
"""What else a witness may know that the richest does not."""


def make_settle(card: RateCard) -> Settle:
    """Make the `Settle` that counts each call once and prices what its witnesses tell together."""

    def settle(group: Sequence[Stored]) -> Sequence[Correction]:
        facts = [stored.facts for stored in group]
        corrections = []
        for stored, verdict in zip(group, count(facts), strict=True):
            record, rate = _decided(facts, stored.facts, verdict, card)
            if record != stored.current:
                corrections.append(Correction(stored.id, record, rate))
        return corrections

    return settle


def _decided(
    facts: Sequence[UsageRecord], fact: UsageRecord, verdict: Verdict, card: RateCard
) -> tuple[UsageRecord, Rate | None]:
    repeated = facts[verdict.repeats] if verdict.repeats is not None else None
    record, rate = fact, None
    if len(verdict.witnesses) > 1:
        record, rate = _priced_again(_merged([facts[i] for i in verdict.witnesses]), fact, card)
    decided = record._replace(
        counted=verdict.counted,
        counted_reason=verdict.reason,
        repeats_span=repeated.trace_id + repeated.span_id if repeated is not None else None,
    )
    return decided, rate


def _merged(witnesses: Sequence[UsageRecord]) -> UsageRecord:
    """Put together what the witnesses of one call tell, the richest first."""
    best, *others = witnesses
    told: dict[str, Any] = {}
    for other in others:
        names: tuple[str, ...] = KNOWN
        if not has_usage(best) or same_usage(best, other):
            names = (*KNOWN, *USED)
        for name in names:
            if name not in told and getattr(best, name) is None:
                value = getattr(other, name)
                if value is not None:
                    told[name] = value
    if not has_usage(best) and (teller := next(filter(has_usage, others), None)) is not None:
        told["usage_quality"] = teller.usage_quality
    # The outermost knows whom the call is for: it stands nearest to the application.
    for witness in sorted(witnesses, key=_outermost, reverse=True):
        told |= {name: value for name in WHOM if (value := getattr(witness, name)) is not None}
    if best.duration_ns == 0:
        told |= _time_of(witnesses)
    if best.metadata is None:
        told["metadata"] = next((each.metadata for each in others if each.metadata), None)
    merged = best._replace(**told)
    return merged._replace(
        model=merged.response_model or merged.request_model,
        response_key=response_key(merged.tenant_id, merged.response_id),
    )


def _time_of(witnesses: Sequence[UsageRecord]) -> dict[str, int]:
    """The time of a call whose usage came in a moment at its end."""
    started_ns = min(each.started_ns for each in witnesses)
    duration_ns = max(each.started_ns + (each.duration_ns or 0) for each in witnesses) - started_ns
    return {
        "started_ns": started_ns,
        "duration_ns": duration_ns,
        "latency_bucket": latency_bucket(duration_ns),
    }


def _outermost(record: UsageRecord) -> tuple[int, int, bytes, bytes]:
    return record.started_ns, -(record.duration_ns or 0), record.trace_id, record.span_id


def _priced_again(
    record: UsageRecord, fact: UsageRecord, card: RateCard
) -> tuple[UsageRecord, Rate | None]:
    if record == fact:
        return record, None
    answer = card.price(to_call(record))
    columns = dict(zip(PRICE_COLUMNS, price_columns(answer), strict=True))
    priced_ns = (record.priced_ns or record.received_ns) if isinstance(answer, Priced) else None
    priced = record._replace(**columns, priced_ns=priced_ns)  # type: ignore[arg-type]  # in order
    return priced, answer.rate if isinstance(answer, Priced) else None
