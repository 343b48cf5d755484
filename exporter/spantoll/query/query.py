"""What is asked of the ledger: measures, dimensions, filters, a period and its windows.

Input: names, as Python or `query/text.py` give them. Output: a `Query` with canonical names, which
`query/run.py` answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from spantoll.errors import QueryError
from spantoll.query.cost_state import DOUBTED
from spantoll.query.dimensions import Value, find_dimension, find_field
from spantoll.query.measures import find_measure
from spantoll.query.names import make_unknown_name_error
from spantoll.query.windows import WINDOWS, Calendar, find_zone

__all__ = [
    "Filter",
    "Operator",
    "Query",
    "doubt_query",
    "health_query",
    "refuse_text",
    "total_query",
]

MEASURES = ("requests", "input_tokens", "output_tokens", "cost_usd")


Operator = Literal["=", "^=", "<", "<=", ">", ">="]


class Filter(NamedTuple):
    """Keep records whose `field` is one of `values`, or, negated, is none of them.

    `^=` matches text that begins with one of the values. `<`, `<=`, `>` and `>=` compare a number
    with the one value, in the unit of its name. None among the values matches NULL. A negated
    filter keeps NULL, so a filter and its negation always add up to everything.
    """

    field: str
    values: tuple[Value, ...]
    negate: bool = False
    operator: Operator = "="


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What to add up, split how, of which records. Raises QueryError on any name unknown.

    `order` names measures, dimensions or `window`, descending with a leading `-`; groups without
    an answer come last either way. Only counted records are seen unless `uncounted` is set: the
    others repeat a call or stand for none.
    """

    measures: Sequence[str] = MEASURES
    dimensions: Sequence[str] = ()
    filters: Sequence[Filter] = ()
    start_ns: int | None = None
    """Inclusive, UTC nanoseconds; None is the beginning of the ledger."""
    end_ns: int | None = None
    """Exclusive."""
    window: str = "total"
    tz: str = "UTC"
    order: Sequence[str] = ()
    limit: int | None = None
    uncounted: bool = False
    week_start: int = 0
    """0 is Monday, 6 Sunday."""
    fiscal_start: int = 1
    """Month in which fiscal quarters and years begin, from 1."""
    fill: bool = False
    """Give every group a row in every window, also where it has no records."""
    others: bool = False
    """Add up the groups beyond `limit` in one row of each window; `limit` then counts groups of the
    whole period."""
    exact: bool = False
    """Take percentiles of every value, not of buckets 4 % wide: slower."""
    roll_ups: bool = True
    """Read sums from roll-ups where they give the same answer; without, every record is read."""

    def __post_init__(self) -> None:
        for given in ("measures", "dimensions", "order"):
            refuse_text(given, getattr(self, given))
        if not self.measures:
            raise QueryError("a query needs at least one measure", field="measure")
        set_names = object.__setattr__
        set_names(self, "measures", _unique(find_measure(name).name for name in self.measures))
        set_names(
            self, "dimensions", _unique(find_dimension(name).name for name in self.dimensions)
        )
        set_names(self, "order", tuple(self._order(name) for name in self.order))
        set_names(self, "filters", tuple(self.filters))
        for wanted in self.filters:
            find_field(wanted.field)
            refuse_text(f"filter {wanted.field}", wanted.values)
        if self.window not in WINDOWS:
            raise make_unknown_name_error(self.window, field="window", allowed=WINDOWS)
        find_zone(self.tz)
        self._check_calendar()
        self._check_rows()
        start_ns, end_ns = self.start_ns, self.end_ns
        if start_ns is not None and end_ns is not None and start_ns >= end_ns:
            raise QueryError("from must be before to", field="from")

    def _check_calendar(self) -> None:
        if self.week_start not in range(7):
            raise QueryError("week_start: 0 (Monday) to 6 (Sunday)", field="week_start")
        if self.fiscal_start not in range(1, 13):
            raise QueryError("fiscal_start: a month from 1 to 12", field="fiscal_start")

    def _check_rows(self) -> None:
        if self.fill and self.window == "total":
            raise QueryError("fill: only with a window", field="fill")
        if self.fill and (self.order or (self.limit is not None and not self.others)):
            raise QueryError("fill: not with an order, nor with a limit alone", field="fill")
        if self.others and (self.limit is None or not self.dimensions):
            raise QueryError("others: only with a limit and a dimension", field="others")
        if self.limit is not None and self.limit < 1:
            raise QueryError("limit must be at least 1", field="limit")

    @property
    def calendar(self) -> Calendar:
        """Where weeks, quarters and years begin."""
        return Calendar(self.week_start, self.fiscal_start)

    def _order(self, text: str) -> str:
        sign, name = ("-", text[1:]) if text.startswith("-") else ("", text)
        if name == "window":
            return text
        for look_up in (find_measure, find_dimension):
            try:
                name = look_up(name).name
            except QueryError:
                continue
            if name in (*self.measures, *self.dimensions):
                return sign + name
        raise make_unknown_name_error(
            name, field="order", allowed=(*self.measures, *self.dimensions, "window")
        )


def doubt_query(query: Query) -> Query:
    """Ask which models keep the cost of a query from being exact, and for which reasons.

    What is left out comes before what is estimated, more calls before fewer.
    """
    return replace(
        total_query(query, "requests", "total_tokens", "cost_usd"),
        dimensions=("pricing_status", "provider", "model", "pricing_reason"),
        filters=(*query.filters, Filter("pricing_status", DOUBTED)),
        order=("-pricing_status", "-requests"),
    )


def total_query(query: Query, *measures: str) -> Query:
    """Ask for measures of everything that a query adds up, in one row."""
    return replace(
        query,
        measures=measures,
        dimensions=(),
        window="total",
        order=(),
        limit=None,
        fill=False,
        others=False,
    )


def health_query(
    *, filters: Sequence[Filter] = (), start_ns: int | None = None, end_ns: int | None = None
) -> Query:
    """Ask, per emitter, how well its spans could be read, counted and priced."""
    return Query(
        measures=(
            "records",
            "counted_records",
            "merged_records",
            "unpriced_records",
            "assumed_records",
            "inconsistent_records",
            "streams_without_usage",
            "ahead_records",
            "delayed_records",
            "late_records",
        ),
        dimensions=("scope_name", "scope_version", "dialect"),
        filters=filters,
        start_ns=start_ns,
        end_ns=end_ns,
        order=("-records",),
        uncounted=True,
    )


def refuse_text(name: str, given: object) -> None:
    """Raise QueryError for text in the place of a tuple: its letters would be taken for items."""
    if isinstance(given, str):
        raise QueryError(f"{name}: write ({given!r},), a tuple", field=name)


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
