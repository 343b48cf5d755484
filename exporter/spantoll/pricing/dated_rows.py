"""Dated price rows of one model as a timeline of tariffs.

Input: rows of one metric each, with a context and a validity. Output: the tariff of a context over
time. A later row of the sequence outranks an earlier one; a row for hours or working days outranks
one for every hour.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from spantoll.pricing.result import UnitPrice
from spantoll.pricing.selector import Selector
from spantoll.pricing.tariff import Tariff, make_rate
from spantoll.pricing.timeline import Timeline, instant_ns, tabulate

__all__ = ["DatedRow", "RowOwner", "holds", "tabulate_rows"]


class DatedRow(Protocol):
    """A row that prices one metric in one context while it is valid."""

    @property
    def price(self) -> UnitPrice:
        """The amount in USD."""

    @property
    def selector(self) -> Selector:
        """The context."""

    @property
    def valid_from(self) -> str:
        """ISO date or date-time, inclusive; empty = always."""

    @property
    def valid_to(self) -> str:
        """Exclusive; empty = open."""


class RowOwner(NamedTuple):
    """What the rates made of rows are named after."""

    provider: str
    model: str
    source: str
    price_set: str


def holds(row: DatedRow, time_ns: int) -> bool:
    """Return True if a row is valid at `time_ns`."""
    if row.valid_from and time_ns < instant_ns(row.valid_from):
        return False
    return not row.valid_to or time_ns < instant_ns(row.valid_to)


def tabulate_rows(
    owner: RowOwner, rows: Sequence[DatedRow], wanted: Selector
) -> Timeline[Tariff | None]:
    """Tabulate the tariff of the context `wanted`; None while no row of it holds."""
    rows = [row for row in rows if row.selector.call == wanted.call]

    def on(time_ns: int, minute: int, is_rest_day: bool) -> Tariff | None:
        held = [
            row
            for row in rows
            if row.selector.covers(minute, is_rest_day=is_rest_day) and holds(row, time_ns)
        ]
        return _make_tariff(owner, held) if held else None

    dates = {day for row in rows for day in (row.valid_from, row.valid_to) if day}
    return tabulate(
        on,
        starts_ns=map(instant_ns, dates),
        minutes=(minute for row in rows for minute in row.selector.minutes),
        calendar=next((row.selector.days for row in rows if row.selector.days), ""),
    )


def _make_tariff(owner: RowOwner, held: Sequence[DatedRow]) -> Tariff:
    held = sorted(held, key=lambda row: (bool(row.selector.days), bool(row.selector.utc)))
    steps: dict[int, dict[str, DatedRow]] = defaultdict(dict)
    for row in held:
        steps[row.selector.min_input_tokens][row.price.metric] = row
    lower: dict[str, DatedRow] = {}
    rates = []
    for step in sorted({0, *steps}):
        lower = lower | steps[step]
        context = next((row.selector for row in lower.values() if row.selector.utc), None)
        selector = context or held[0].selector
        rates.append(
            make_rate(
                owner.provider,
                owner.model,
                (row.price for row in lower.values()),
                selector=selector._replace(min_input_tokens=step),
                effective_from=max((row.valid_from for row in lower.values()), default=""),
                effective_to=min((r.valid_to for r in lower.values() if r.valid_to), default=""),
                source=owner.source,
                price_set=owner.price_set,
            )
        )
    return Tariff(tuple(rates), tuple(sorted({0, *steps})))
