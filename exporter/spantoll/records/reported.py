"""What a record reports of a call: whether it is one, its usage, its end, and its cost."""

from __future__ import annotations

from spantoll.records.record import UsageRecord
from spantoll.semconv.call import BILLABLE_ROLES

__all__ = ["end_ns", "is_billable", "reported_difference_nano", "reports_usage"]


def is_billable(record: UsageRecord) -> bool:
    """Return True if the span stands for a model call of its own."""
    return record.role in BILLABLE_ROLES


def reports_usage(record: UsageRecord) -> bool:
    """Return True if any counter is known and not 0."""
    return (
        bool(record.input_tokens)
        or bool(record.output_tokens)
        or any((record.images, record.audio_ms, record.video_ms, record.characters))
        or record.extra_units is not None
    )


def end_ns(record: UsageRecord) -> int:
    """Return when the span ended; its start where the duration is unknown."""
    return record.started_ns + (record.duration_ns or 0)


def reported_difference_nano(
    reported_cost_nano: int | None,
    cost_source: str | None,
    catalogue_cost_nano: int | None,
    cost_nano: int | None,
) -> int | None:
    """Return the reported cost less the price list's, in nano-USD; None where either is unknown."""
    listed = catalogue_cost_nano if cost_source == "reported" else cost_nano
    if reported_cost_nano is None or listed is None:
        return None
    return reported_cost_nano - listed
