"""The answer to a query: rows, their total, and what is needed to read them right.

Input: what `query/run.py` measured. Output: `Result` and `Row`; `query/plain.py` turns them into
JSON and CSV.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from spantoll.query.aggregate import Number
from spantoll.query.cost_state import STATE_MEASURES, CostState
from spantoll.query.dimensions import Value
from spantoll.query.query import Query
from spantoll.query.windows import Window, find_zone, to_local_time

__all__ = ["PriceSetUsed", "Result", "Row"]


class PriceSetUsed(NamedTuple):
    """A price set that priced something in an answer."""

    source: str
    """catalogue, user, default, builtin."""
    price_set: str
    """SHA-256 of its content, in hexadecimal."""


@dataclass(frozen=True, slots=True)
class Row:
    """One group in one window."""

    window: Window | None
    """None when the whole period is one window."""
    dimensions: Mapping[str, Value]
    measures: Mapping[str, Number]
    """What was asked for, `requests`, and with any amount of money all of STATE_MEASURES."""
    others: bool = False
    """Whether this is the sum of the groups beyond the limit; its dimensions are None then."""

    def __getitem__(self, name: str) -> Value | Number:
        """Return the value of a dimension or measure."""
        return self.dimensions[name] if name in self.dimensions else self.measures[name]

    @property
    def requests(self) -> int:
        """How many calls there were."""
        return int(self.measures["requests"] or 0)

    @property
    def known_cost_usd(self) -> Decimal:
        """What the calls cost as far as it is known: 0 where no call has a cost."""
        cost_usd = self.measures["cost_usd"]
        return cost_usd if isinstance(cost_usd, Decimal) else Decimal(0)

    @property
    def cost(self) -> CostState | None:
        """How sure the cost is; None where no amount of money was asked for."""
        if not self.measures.keys() >= set(STATE_MEASURES):
            return None
        return CostState.from_measures(self.measures)


@dataclass(frozen=True, slots=True)
class Result:
    """An answer, with everything needed to read it right."""

    query: Query
    """As it was run, with canonical names."""
    rows: Sequence[Row]
    totals: Row
    """Over all groups, those beyond `limit` included."""
    groups: int
    """How many rows there are without `limit`."""
    price_sets: Sequence[PriceSetUsed] = ()
    sources: Sequence[str] = ()
    """The tables that the sums were read from, each with its number of periods."""
    notes: Sequence[str] = ()
    """What the answer cannot know, or knows from sums alone: sentences."""

    @property
    def start(self) -> datetime | None:
        """The inclusive beginning, on the wall clock of the query's zone."""
        return self._to_local(self.query.start_ns)

    @property
    def end(self) -> datetime | None:
        """The exclusive end, on the wall clock of the query's zone."""
        return self._to_local(self.query.end_ns)

    def _to_local(self, ns: int | None) -> datetime | None:
        return None if ns is None else to_local_time(ns, find_zone(self.query.tz))
