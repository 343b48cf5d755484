"""How sure a cost is: exact, free, estimated, partial or unpriced, of one record or of a sum.

Input: a record's `pricing_status` and cost, or the sums that every query with money measures.
Output: a `CostState`. Rule R14: what is unknown is not 0, and a sum says what it leaves out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal

from spantoll.query.aggregate import to_usd
from spantoll.records import UsageRecord

__all__ = ["COST_STATES", "DOUBTED", "STATE_MEASURES", "CostState", "StateName"]

StateName = Literal["exact", "free", "estimated", "partial", "unpriced"]

COST_STATES: Mapping[str, StateName] = {
    "priced": "exact",
    "free": "free",
    "estimated": "estimated",
    "partial": "partial",
    "unpriced": "unpriced",
}
"""The state of a cost by the `pricing_status` of its record."""

DOUBTED: Final = ("unpriced", "partial", "estimated")
"""The states of a cost that is not known exactly."""

STATE_MEASURES: Final = (
    "requests",
    "free_requests",
    "estimated_requests",
    "partial_requests",
    "unpriced_requests",
    "unpriced_tokens",
    "cost_usd",
    "exact_cost_usd",
    "estimated_cost_usd",
    "partial_cost_usd",
)
"""The measures that a state is made of; measured with every query that measures money."""

NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CostState:
    """How much of a cost is exact, estimated and known in part; the three add up to it.

    Amounts are in USD. An estimate may turn out higher or lower; where a cost that leaves something
    out has a doubt besides, it is an estimate, for it need not be a lower bound.
    """

    cost_usd: Decimal | None
    """None where no call has a cost, or there is no call."""
    exact_usd: Decimal
    """Of exact and free calls."""
    estimated_usd: Decimal
    partial_usd: Decimal
    """The known part of the cost of calls that is known only in part."""
    requests: int
    free_requests: int
    estimated_requests: int
    partial_requests: int
    unpriced_requests: int
    unpriced_tokens: int

    @property
    def estimated(self) -> bool:
        """Whether part of the cost is an estimate: written `~$12.40`."""
        return self.estimated_requests > 0

    @property
    def lower_bound(self) -> bool:
        """Whether the cost leaves something out: written `$12.40+`."""
        return self.partial_requests > 0 or self.unpriced_requests > 0

    @property
    def name(self) -> StateName | None:
        """The state in one word; None where there is no call."""
        if not self.requests:
            return None
        if self.cost_usd is None:
            return "unpriced"
        if self.estimated:
            return "estimated"
        if self.lower_bound:
            return "partial"
        return "free" if self.free_requests == self.requests else "exact"

    @classmethod
    def from_measures(cls, measures: Mapping[str, Any]) -> CostState:
        """Read the state of a sum from the measures of its row, STATE_MEASURES among them."""
        return cls(
            cost_usd=measures["cost_usd"],
            exact_usd=measures["exact_cost_usd"],
            estimated_usd=measures["estimated_cost_usd"],
            partial_usd=measures["partial_cost_usd"],
            requests=measures["requests"],
            free_requests=measures["free_requests"],
            estimated_requests=measures["estimated_requests"],
            partial_requests=measures["partial_requests"],
            unpriced_requests=measures["unpriced_requests"],
            unpriced_tokens=measures["unpriced_tokens"],
        )

    @classmethod
    def from_record(cls, record: UsageRecord) -> CostState:
        """Read the state of the cost of one record."""
        state = COST_STATES[record.pricing_status]
        cost = to_usd(record.cost_nano)
        known = cost or NOTHING
        unpriced = state == "unpriced"
        return cls(
            cost_usd=cost,
            exact_usd=known if state in ("exact", "free") else NOTHING,
            estimated_usd=known if state == "estimated" else NOTHING,
            partial_usd=known if state == "partial" else NOTHING,
            requests=record.requests,
            free_requests=record.requests * (state == "free"),
            estimated_requests=record.requests * (state == "estimated"),
            partial_requests=record.requests * (state == "partial"),
            unpriced_requests=record.requests * unpriced,
            unpriced_tokens=unpriced * ((record.input_tokens or 0) + (record.output_tokens or 0)),
        )
