"""Merge the records of one call into the record that is billed.

Input: the records that counting found to report one call, in order of rank. Output: the first of
them, completed from the others. What is taken from where is declared with each column (`Merge`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spantoll.pipeline.counting.usage import same_usage
from spantoll.records import UsageRecord
from spantoll.records.build import latency_bucket, response_key
from spantoll.records.column_spec import Merge
from spantoll.records.record import COLUMNS
from spantoll.records.reported import reports_usage

__all__ = ["merge_records"]


def _columns(merge: Merge) -> tuple[str, ...]:
    return tuple(name for name, spec in COLUMNS.items() if spec.merge is merge)


DETAIL = _columns(Merge.DETAIL)
DETAIL_AND_USAGE = DETAIL + _columns(Merge.USAGE)
ATTRIBUTION = _columns(Merge.ATTRIBUTION)


def merge_records(reports: Sequence[UsageRecord]) -> UsageRecord:
    """Merge the records of one call, given in order of rank, into the record that is billed."""
    best, *others = reports
    merged: dict[str, Any] = {}
    for other in others:
        has_same_usage = not reports_usage(best) or same_usage(best, other)
        for name in DETAIL_AND_USAGE if has_same_usage else DETAIL:
            if name not in merged and getattr(best, name) is None:
                value = getattr(other, name)
                if value is not None:
                    merged[name] = value
    if (
        not reports_usage(best)
        and (source := next(filter(reports_usage, others), None)) is not None
    ):
        merged["usage_quality"] = source.usage_quality
    # Attribution comes from the outermost span: it is nearest to the application.
    for report in sorted(reports, key=_outermost, reverse=True):
        merged |= {
            name: value for name in ATTRIBUTION if (value := getattr(report, name)) is not None
        }
    if best.duration_ns == 0:
        merged |= _time_of_call(reports)
    record = best._replace(**merged)
    return record._replace(
        model=record.response_model or record.request_model,
        response_key=response_key(record.tenant_id, record.response_id),
    )


def _time_of_call(reports: Sequence[UsageRecord]) -> dict[str, int]:
    """Start and duration of a call whose usage is reported by a zero-length span at its end."""
    started_ns = min(each.started_ns for each in reports)
    duration_ns = max(each.started_ns + (each.duration_ns or 0) for each in reports) - started_ns
    return {
        "started_ns": started_ns,
        "duration_ns": duration_ns,
        "latency_bucket": latency_bucket(duration_ns),
    }


def _outermost(record: UsageRecord) -> tuple[int, int, bytes, bytes]:
    return record.started_ns, -(record.duration_ns or 0), record.trace_id, record.span_id
