"""Adjustments: what would have changed a record of a closed period, booked in the open one.

Input: a record as a closed period has it, and as it should be. Output: rows of `adjustment`, each
with the change of every sum, the record it is of and why. The sums of a closed period and all its
adjustments are the sums of its records as they should be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Engine, case, func, select

from spantoll.records.record import UsageRecord
from spantoll.storage.audit import encode_content
from spantoll.storage.periods import ClosedPeriod
from spantoll.storage.store import Stored
from spantoll.storage.tables import adjustment

__all__ = [
    "AMOUNTS",
    "NO_ADJUSTMENTS",
    "Adjusted",
    "Adjustment",
    "Cause",
    "list_adjustments",
    "make_adjustments",
    "sum_adjustments",
]

AMOUNTS = ("requests", "input_tokens", "output_tokens", "cost_nano", "revenue_nano")
"""The sums of which an adjustment has the change, by the names of their columns."""
OWNERS = ("provider", "model", "customer_id")

a = adjustment.c


class Cause(StrEnum):
    """Why a closed period is adjusted."""

    LATE_RECORD = "late_record"
    """A span of its time that came after it was closed."""
    LATE_MERGE = "late_merge"
    """A record that a late span was merged with, or that it showed to be counted otherwise."""
    REPRICE = "reprice"
    UNDO = "undo"


class Adjustment(NamedTuple):
    """One entry, in the order of the columns of `adjustment`."""

    adjustment_id: int
    booked_ns: int
    """When it was booked: the period that is open then has it."""
    period_id: int
    """The closed period that it adjusts."""
    cause: Cause
    run_id: int | None
    """The run of re-pricing that made it."""
    record_id: int
    tenant_id: str
    trace_id: bytes
    span_id: bytes
    started_ns: int
    """When the call started: a time in the closed period."""
    provider: str | None
    model: str | None
    customer_id: str | None
    pricing_status: str
    """Of the record as it should be."""
    requests: int | None
    """Change of the sum, as all that follow; None where the value is not known."""
    input_tokens: int | None
    output_tokens: int | None
    cost_nano: int | None
    revenue_nano: int | None
    old_values: str
    """JSON of the columns of the record that change, before."""
    new_values: str


class Adjusted(NamedTuple):
    """Sums of some adjustments, in the units of their columns."""

    entries: int
    requests: int
    input_tokens: int
    output_tokens: int
    cost_nano: int
    revenue_nano: int
    unknown: int
    """Entries whose cost is not known: unpriced calls that came late."""
    unknown_revenue: int
    """Entries whose revenue is not known: late calls for which their customer has no price."""

    @property
    def known_cost_nano(self) -> int | None:
        """The cost, which leaves the unknown ones out; None where there is no other."""
        return None if self._are_all(self.unknown) else self.cost_nano

    @property
    def known_revenue_nano(self) -> int | None:
        """The revenue, which leaves the unknown ones out; None where there is no other."""
        return None if self._are_all(self.unknown_revenue) else self.revenue_nano

    def _are_all(self, unknown: int) -> bool:
        return 0 < unknown == self.entries


NO_ADJUSTMENTS = Adjusted(*(0 for _ in Adjusted._fields))


def make_adjustments(
    before: Stored,
    after: Stored,
    period: ClosedPeriod,
    *,
    booked_ns: int,
    cause: Cause,
    run_id: int | None = None,
) -> Iterator[dict[str, Any]]:
    """Make the rows that book a change of one record of a closed period.

    A change of provider, model or customer is two rows: what leaves the one, what joins the other.
    Nothing is booked for a record that is counted neither before nor after.
    """
    old, new = before.current, after.current
    parts: list[tuple[UsageRecord, UsageRecord | None, UsageRecord | None]] = []
    if old.counted and new.counted and _owners(old) != _owners(new):
        parts = [(old, old, None), (new, None, new)]
    elif old.counted or new.counted:
        parts = [(new, old if old.counted else None, new if new.counted else None)]
    old_values, new_values = encode_content(before, after)
    for owner, leaving, joining in parts:
        yield {
            "booked_ns": max(booked_ns, period.end_ns),
            "period_id": period.period_id,
            "cause": cause,
            "run_id": run_id,
            "record_id": before.id,
            **{name: getattr(owner, name) for name in ("tenant_id", "trace_id", "span_id")},
            "started_ns": old.started_ns,
            **{name: getattr(owner, name) for name in OWNERS},
            "pricing_status": new.pricing_status,
            **{name: _change(leaving, joining, name) for name in AMOUNTS},
            "old_values": old_values,
            "new_values": new_values,
        }


def list_adjustments(
    engine: Engine,
    *,
    booked_from_ns: int | None = None,
    booked_to_ns: int | None = None,
    started_from_ns: int | None = None,
    started_to_ns: int | None = None,
    customer_id: str | None = None,
    tenant_id: str | None = None,
    period_id: int | None = None,
) -> list[Adjustment]:
    """List adjustments in the order in which they were booked.

    By when they were booked, for the statement of an open period; or by when the calls started, for
    a statement of a closed one that is issued again. `to` is exclusive.
    """
    wanted = _conditions(
        booked=(booked_from_ns, booked_to_ns),
        started=(started_from_ns, started_to_ns),
        equal={"customer_id": customer_id, "tenant_id": tenant_id, "period_id": period_id},
    )
    with engine.connect() as connection:
        found = connection.execute(select(adjustment).where(*wanted).order_by(a.adjustment_id))
        return [_make_adjustment(row) for row in found]


def sum_adjustments(
    engine: Engine,
    *,
    booked_from_ns: int | None = None,
    booked_to_ns: int | None = None,
    started_from_ns: int | None = None,
    started_to_ns: int | None = None,
    customer_id: str | None = None,
    tenant_id: str | None = None,
    provider: str | None = None,
    model: str | None = None,
) -> Adjusted:
    """Sum the adjustments that `list_adjustments` lists."""
    wanted = _conditions(
        booked=(booked_from_ns, booked_to_ns),
        started=(started_from_ns, started_to_ns),
        equal={
            "customer_id": customer_id,
            "tenant_id": tenant_id,
            "provider": provider,
            "model": model,
        },
    )
    sums = (func.coalesce(func.sum(a[name]), 0) for name in AMOUNTS)
    unknown = (
        func.coalesce(func.sum(case((amount.is_(None), 1), else_=0)), 0)
        for amount in (a.cost_nano, a.revenue_nano)
    )
    with engine.connect() as connection:
        row = connection.execute(
            select(func.count(a.adjustment_id), *sums, *unknown).where(*wanted)
        ).one()
    return Adjusted(*map(int, row))


def _conditions(
    *,
    booked: tuple[int | None, int | None],
    started: tuple[int | None, int | None],
    equal: dict[str, Any],
) -> list[ColumnElement[bool]]:
    wanted = [a[name] == value for name, value in equal.items() if value is not None]
    for column, (first, last) in ((a.booked_ns, booked), (a.started_ns, started)):
        if first is not None:
            wanted.append(column >= first)
        if last is not None:
            wanted.append(column < last)
    return wanted


def _owners(record: UsageRecord) -> tuple[str | None, ...]:
    return tuple(getattr(record, name) for name in OWNERS)


def _change(leaving: UsageRecord | None, joining: UsageRecord | None, name: str) -> int | None:
    """Return what a sum changes by; None where what joins it is not known and nothing leaves."""
    old = 0 if leaving is None else getattr(leaving, name)
    new = 0 if joining is None else getattr(joining, name)
    if new is None and not old:
        return None
    return (new or 0) - (old or 0)


def _make_adjustment(row: Sequence[Any]) -> Adjustment:
    made = Adjustment._make(row)
    return made._replace(cause=Cause(made.cause))
