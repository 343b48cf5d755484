"""What a re-pricing changes, added up by model, customer and day.

Input: the `Change` of each record. Output: a `Preview` of sums before and after. Only counted
records have sums; a change of an uncounted one is a number in `uncounted`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from spantoll.records import UsageRecord
from spantoll.storage.periods import ClosedPeriod, find_period
from spantoll.storage.reprice import Change

__all__ = ["Difference", "Preview"]

Key = TypeVar("Key")

SECOND_NS = 1_000_000_000


class Difference(NamedTuple):
    """Sums of some changed records before and after, in nano-USD, without what is unknown."""

    records: int = 0
    old_nano: int = 0
    new_nano: int = 0
    newly_priced: int = 0
    """Records that had no cost and get one."""
    newly_unpriced: int = 0
    """Records that lose theirs."""
    old_revenue_nano: int = 0
    new_revenue_nano: int = 0
    old_unpriced: int = 0
    """Records without a cost before: `old_nano` leaves them out."""
    new_unpriced: int = 0
    old_without_revenue: int = 0
    new_without_revenue: int = 0
    old_partial: int = 0
    """Records whose cost before is known in part: `old_nano` has that part."""
    new_partial: int = 0

    def add(self, other: Difference) -> Difference:
        """Add two differences."""
        return Difference(*(a + b for a, b in zip(self, other, strict=True)))


NOTHING = Difference()


@dataclass(slots=True, kw_only=True)
class Preview:
    """What a re-pricing of some records would change; memory grows with the keys, not records."""

    tz: ZoneInfo
    """Zone of the days."""
    examined: int = 0
    uncounted: int = 0
    """Changed records that are in no sum: they repeat a call or stand for none."""
    periods: Sequence[ClosedPeriod] = ()
    in_closed: int = 0
    """Counted records of these periods: their changes become adjustments."""
    total: Difference = NOTHING
    by_model: dict[tuple[str | None, str | None], Difference] = field(default_factory=dict)
    """By provider and model."""
    by_customer: dict[str | None, Difference] = field(default_factory=dict)
    by_day: dict[date, Difference] = field(default_factory=dict)

    @property
    def changed(self) -> int:
        """How many records would change."""
        return self.total.records + self.uncounted

    def add(self, change: Change) -> None:
        """Add the change of one record."""
        before, after = change.before.current, change.after.current
        if not before.counted:
            self.uncounted += 1
            return
        difference = Difference(
            1,
            before.cost_nano or 0,
            after.cost_nano or 0,
            int(before.cost_nano is None and after.cost_nano is not None),
            int(before.cost_nano is not None and after.cost_nano is None),
            before.revenue_nano or 0,
            after.revenue_nano or 0,
            int(before.cost_nano is None),
            int(after.cost_nano is None),
            int(before.revenue_nano is None),
            int(after.revenue_nano is None),
            _is_partial(before),
            _is_partial(after),
        )
        self.in_closed += find_period(self.periods, before.started_ns) is not None
        day = datetime.fromtimestamp(before.started_ns // SECOND_NS, self.tz).date()
        self.total = self.total.add(difference)
        _add(self.by_model, (before.provider, before.model), difference)
        _add(self.by_customer, before.customer_id, difference)
        _add(self.by_day, day, difference)


def _is_partial(record: UsageRecord) -> int:
    return int(record.cost_nano is not None and record.pricing_status == "partial")


def _add(sums: dict[Key, Difference], key: Key, difference: Difference) -> None:
    sums[key] = sums.get(key, NOTHING).add(difference)
