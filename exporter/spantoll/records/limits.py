from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any

from sqlalchemy import String, Text

from spantoll.records.columns import usage_record
from spantoll.records.record import UsageRecord

__all__ = ["fit"]

_OURS = {"source", "role", "counted_reason", "status", "usage_quality", "dialect"} | {
    "pricing_status",
    "cost_source",
    "flaws",
}
"""Columns whose words are our own, so that no sender can make them long."""

_LONGEST: dict[int, int] = {
    index: length
    for index, name in enumerate(UsageRecord._fields)
    if isinstance(kind := usage_record.c[name].type, String)
    and not isinstance(kind, Text)
    and (length := kind.length)
}
_FLAWS = UsageRecord._fields.index("flaws")


def _groups() -> list[tuple[int, Callable[[UsageRecord], tuple[Any, ...]]]]:
    """Columns by bound: one look at the longest of a group clears nearly every record."""
    bounds: dict[int, list[int]] = {}
    for index, longest in _LONGEST.items():
        if UsageRecord._fields[index] not in _OURS:
            bounds.setdefault(min(longest, 128), []).append(index)
    return [(longest, itemgetter(*indexes, _FLAWS)) for longest, indexes in bounds.items()]


_GROUPS = _groups()


def fit(record: UsageRecord) -> UsageRecord:
    """Cut text that is longer than its column and note the flaw `truncated`."""
    for longest, pick in _GROUPS:
        if max(map(len, filter(None, pick(record))), default=0) > longest:
            return _cut(record)
    return record


def _cut(record: UsageRecord) -> UsageRecord:
    values: list[Any] = list(record)
    was_cut = False
    for index, longest in _LONGEST.items():
        text = values[index]
        if text is not None and len(text) > longest:
            values[index] = text[:longest]
            was_cut = True
    if was_cut:
        flaws = f"truncated,{record.flaws}" if record.flaws else "truncated"
        values[_FLAWS] = flaws[: _LONGEST[_FLAWS]]
    return UsageRecord(*values)
