"""A customer's statement as every surface shows it: its period, its lines, what it leaves out.

Input: a period as text, or a `Statement`. Output: the bounds of its months in UTC nanoseconds,
plain values with exact amounts, and sentences. Cost and margin are shown only when asked for: a
statement is for the customer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Engine

from spantoll.customers.statement import Statement
from spantoll.errors import QueryError
from spantoll.pipeline.customer_book import read_file_customers
from spantoll.pricing.exchange import USD
from spantoll.query import parse_period, to_usd
from spantoll.query.times import parse_time
from spantoll.query.windows import find_zone, list_windows, to_local_time
from spantoll.storage.adjustments import sum_adjustments
from spantoll.storage.customers_statement import Part, read_statement_of_parts
from spantoll.surfaces.cells import format_dollars
from spantoll.surfaces.periods import format_adjusted_revenue, parse_period_name

__all__ = [
    "PeriodStatement",
    "describe_adjustments",
    "format_cost_sums",
    "format_total",
    "list_doubts",
    "list_notes",
    "list_statement_headers",
    "plain_lines",
    "plain_statement",
    "read_month",
    "read_period",
    "read_period_statement",
]


class PeriodStatement(NamedTuple):
    """A statement with the name of its period, its zone, and what is to be said of it."""

    statement: Statement
    period: str
    tz: str
    notes: Sequence[str]


def read_month(month: str, zone: str, *, now_ns: int) -> tuple[int, int]:
    """Read `2026-10` as its first and its following instant in a zone. Raises QueryError."""
    if not re.fullmatch(r"\d{4}-\d{2}", month):
        raise QueryError(f"month {month!r}: write a month such as 2026-10", field="month")
    tz = find_zone(zone)
    start_ns = parse_time(f"{month}-01", field="month", tz=tz, now_ns=now_ns)
    (window,) = list_windows("month", start_ns=start_ns, end_ns=start_ns + 1, tz=tz)
    return window.start_ns, window.end_ns


def read_period(
    period: str | None, start: str | None, end: str | None, zone: str, *, now_ns: int
) -> tuple[str, Sequence[Part]]:
    """Read `2026-Q4`, or two times, as a name and calendar months, or as one part of time.

    Raises QueryError.
    """
    tz = find_zone(zone)
    if period is not None and start is None and end is None:
        name, (start_ns, end_ns) = period, parse_period_name(period, tz=zone)
    elif period is None and start is not None and end is not None:
        first, last = parse_period(start=start, end=end, last=None, tz=zone, now_ns=now_ns)
        name, start_ns, end_ns = f"{start} to {end}", first or 0, last or 0
    else:
        raise QueryError(
            "give a period (2026-10, 2026-Q4 or 2026), or both from and to", field="period"
        )
    months = list_windows("month", start_ns=start_ns, end_ns=end_ns, tz=tz)
    if not months or (months[0].start_ns, months[-1].end_ns) != (start_ns, end_ns):
        return name, [Part(name, start_ns, end_ns, is_month=False)]
    return name, [
        Part(f"{to_local_time(month.start_ns, tz):%Y-%m}", month.start_ns, month.end_ns)
        for month in months
    ]


def read_period_statement(
    engine: Engine,
    customer_id: str,
    parts: Sequence[Part],
    *,
    period: str,
    tz: str,
    currency: str,
    tenant_id: str,
) -> PeriodStatement:
    """Read what a customer of a tenant is charged for the parts of a period.

    Raises CustomerPriceError and StoreUnavailable as `read_statement_of_parts`.
    """
    statement = read_statement_of_parts(
        engine,
        customer_id,
        parts,
        currency=currency.upper(),
        tenant_id=tenant_id,
        file=read_file_customers(),
    )
    adjusted = describe_adjustments(
        engine,
        customer_id,
        tenant_id=tenant_id,
        start_ns=parts[0].start_ns,
        end_ns=parts[-1].end_ns,
    )
    return PeriodStatement(statement, period, tz, [*list_doubts(statement), *adjusted])


def format_cost_sums(statement: Statement) -> tuple[str, str]:
    """Format the cost, `+` where it leaves calls out, and the margin, which then is an estimate."""
    incomplete = bool(statement.requests_without_cost)
    return (
        format_total(statement, statement.cost_nano, lower_bound=incomplete),
        format_total(
            statement, statement.margin_nano, estimated=incomplete or bool(statement.unknown)
        ),
    )


def format_total(
    statement: Statement, nano: int | None, *, estimated: bool = False, lower_bound: bool = False
) -> str:
    """Format a sum in the statement's currency: `$12.40+`, `12.40+ EUR`; `-` is unknown."""
    text = format_dollars(to_usd(nano), estimated=estimated, lower_bound=lower_bound)
    return (
        text
        if nano is None or statement.currency == USD
        else f"{text.replace('$', '')} {statement.currency}"
    )


def list_statement_headers(statement: Statement, *, cost: bool) -> list[str]:
    """List the columns of the lines, with those of cost and margin if `cost`."""
    unit = statement.currency.lower()
    shown = ["kind", "item", "requests", "quantity", f"revenue_{unit}"]
    costs = [f"cost_{unit}", f"margin_{unit}", "requests_without_cost"]
    return [*shown, *costs] if cost else shown


def plain_lines(statement: Statement, *, cost: bool) -> list[dict[str, Any]]:
    """Show the lines, with cost and margin if `cost`; amounts are decimals of the currency."""
    headers = list_statement_headers(statement, cost=cost)
    rows = []
    for line in statement.lines:
        quantity = None if line.quantity is None else str(line.quantity)
        margin = _subtract(line.revenue_nano, line.cost_nano)
        amounts = (line.revenue_nano, line.cost_nano, margin)
        left_out = line.requests_without_cost if line.kind == "usage" else None
        exact = map(_format_exact, amounts)
        cells = (line.kind, line.item, line.requests, quantity, *exact, left_out)
        rows.append(dict(zip(headers, cells, strict=False)))
    return rows


def plain_statement(shown: PeriodStatement, *, cost: bool) -> dict[str, Any]:
    """Show a statement, with cost and margin if `cost`."""
    statement = shown.statement
    unit = statement.currency.lower()
    described: dict[str, Any] = {
        "customer": statement.customer_id,
        "period": shown.period,
        "tz": shown.tz,
        "currency": statement.currency,
        "requests": statement.requests,
        "requests_without_revenue": sum(statement.unknown.values()),
        f"total_{unit}": _format_exact(statement.total_nano),
        "lower_bound": statement.lower_bound,
    }
    if cost:
        described[f"cost_{unit}"] = _format_exact(statement.cost_nano)
        described["requests_without_cost"] = statement.requests_without_cost
    lines = plain_lines(statement, cost=cost)
    return {**described, "lines": lines, "notes": list_notes(shown, cost=cost)}


def list_notes(shown: PeriodStatement, *, cost: bool) -> list[str]:
    """List what is to be said of a statement, of its cost and margin only if `cost`."""
    notes = list(shown.notes)
    if cost and (calls := shown.statement.requests_without_cost):
        notes.append(
            f"The cost of {_count(calls)} is not known, or only in part: the cost leaves it out, "
            "and the margin is that much too high."
        )
    return notes


def list_doubts(statement: Statement) -> Iterator[str]:
    """Say what the total leaves out or may change, and where it is of no call at all."""
    if not statement.requests:
        yield f"No call of the period names the customer {statement.customer_id!r}."
    for reason, calls in statement.unknown.items():
        yield f"{_count(calls)} not charged: {reason}."
    if calls := statement.doubtful_requests:
        yield f"{_count(calls)} charged by a cost that is estimated or known only in part."
    if calls := statement.unlisted_requests:
        yield f"{_count(calls)} not split by unit: no included quantity was taken off."
    if calls := statement.outdated_requests:
        yield (
            f"{_count(calls)} charged otherwise than by today's customer prices: "
            "`spantoll reprice`."
        )


def describe_adjustments(
    engine: Engine, customer_id: str, *, tenant_id: str, start_ns: int, end_ns: int
) -> Iterator[str]:
    """Say what a customer's statement leaves out: adjustments of closed periods."""
    since = sum_adjustments(
        engine,
        customer_id=customer_id,
        tenant_id=tenant_id,
        started_from_ns=start_ns,
        started_to_ns=end_ns,
        booked_from_ns=end_ns,
    )
    booked = sum_adjustments(
        engine,
        customer_id=customer_id,
        tenant_id=tenant_id,
        booked_from_ns=start_ns,
        booked_to_ns=end_ns,
    )
    said = ((since, "of calls of this period, booked since"), (booked, "of closed periods"))
    for adjusted, which in said:
        if adjusted.entries:
            yield (
                f"Not in the total: {format_adjusted_revenue(adjusted)} in "
                f"{adjusted.entries:,} adjustments {which}: `spantoll periods adjustments`."
            )


def _count(calls: int) -> str:
    return f"{calls:,} call{'s' * (calls != 1)}"


def _subtract(revenue_nano: int | None, cost_nano: int | None) -> int | None:
    return None if revenue_nano is None or cost_nano is None else revenue_nano - cost_nano


def _format_exact(nano: int | None) -> str | None:
    """Write nano of a currency as an exact decimal of it."""
    amount = to_usd(nano)
    return None if amount is None else f"{amount:f}"
