"""`spantoll customers statement`: what a customer is charged for a period, line by line.

Input: a customer, a period, a zone and a currency. Output: lines of usage, included quantities and
the minimum charge with their total, and what is not known of it. Cost and margin are shown only
when asked for: a statement is for the customer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spantoll.surfaces.cli.options import Database, Format, Formatted, From, To, Tz

if TYPE_CHECKING:
    from spantoll.customers.statement import Statement

__all__ = ["write_statement"]

USD = "USD"


def write_statement(
    customer: Annotated[str, typer.Argument(help="Customer id.")],
    period: Annotated[
        str | None,
        typer.Option("--month", "--period", metavar="PERIOD", help="2026-10, 2026-Q4 or 2026."),
    ] = None,
    from_: From = None,
    to: To = None,
    currency: Annotated[
        str, typer.Option(help="At the exchange rates you gave, of the day of each call.")
    ] = USD,
    cost: Annotated[bool, typer.Option("--cost", help="Show cost and margin too.")] = False,
    tenant: Annotated[str, typer.Option(metavar="TENANT", help="Of its records.")] = "default",
    tz: Tz = None,
    format: Formatted = Format.table,
    database: Database = None,
) -> None:
    """Show what a customer is charged for a period."""
    from spantoll.pipeline.customer_book import read_file_customers
    from spantoll.storage.customers_statement import read_statement_of_parts
    from spantoll.surfaces.cli.ledger import now_ns, open_ledger
    from spantoll.surfaces.cli.output import write_csv, write_json, write_notice
    from spantoll.surfaces.cli.periods_report import describe_statement
    from spantoll.surfaces.statement import list_doubts, read_period

    with open_ledger(database) as ledger:
        zone = tz or ledger.settings.tz
        name, parts = read_period(period, from_, to, zone, now_ns=now_ns())
        statement = read_statement_of_parts(
            ledger.engine,
            customer,
            parts,
            currency=currency.upper(),
            tenant_id=tenant,
            file=read_file_customers(),
        )
        adjusted = describe_statement(
            ledger.engine, customer, start_ns=parts[0].start_ns, end_ns=parts[-1].end_ns
        )
        notes = [*list_doubts(statement), *adjusted]
    rows = list(_list_rows(statement, cost=cost))
    match format:
        case Format.json:
            described = _describe(statement, name, zone, cost=cost)
            write_json({**described, "lines": rows, "notes": notes})
        case Format.csv:
            write_csv(_headers(statement, cost=cost), rows)
            for note in notes:
                write_notice(note)
        case Format.table:
            title = f"{statement.customer_id}, {name}, {zone}"
            _print_table(statement, rows, notes, title=title, cost=cost)


def _headers(statement: Statement, *, cost: bool) -> list[str]:
    unit = statement.currency.lower()
    shown = ["kind", "item", "requests", "quantity", f"revenue_{unit}"]
    return [*shown, f"cost_{unit}", f"margin_{unit}"] if cost else shown


def _list_rows(statement: Statement, *, cost: bool) -> Iterator[dict[str, Any]]:
    headers = _headers(statement, cost=cost)
    for line in statement.lines:
        quantity = None if line.quantity is None else str(line.quantity)
        margin = _subtract(line.revenue_nano, line.cost_nano)
        amounts = (line.revenue_nano, line.cost_nano, margin)
        cells = (line.kind, line.item, line.requests, quantity, *map(_format_exact, amounts))
        yield dict(zip(headers, cells, strict=False))


def _describe(statement: Statement, name: str, zone: str, *, cost: bool) -> dict[str, Any]:
    unit = statement.currency.lower()
    described: dict[str, Any] = {
        "customer": statement.customer_id,
        "period": name,
        "tz": zone,
        "currency": statement.currency,
        "requests": statement.requests,
        "requests_without_revenue": sum(statement.unknown.values()),
        f"total_{unit}": _format_exact(statement.total_nano),
        "lower_bound": bool(statement.unknown),
    }
    if cost:
        described[f"cost_{unit}"] = _format_exact(statement.cost_nano)
    return described


def _print_table(
    statement: Statement, rows: list[dict[str, Any]], notes: list[str], *, title: str, cost: bool
) -> None:
    from spantoll.surfaces.cells import UNKNOWN
    from spantoll.surfaces.cli.output import write_line, write_table

    headers = _headers(statement, cost=cost)
    total = _format_total(statement, statement.total_nano, lower_bound=bool(statement.unknown))
    footer = ["total", "", f"{statement.requests:,}", "", total]
    if cost:
        margin = statement.total_nano - statement.cost_nano
        footer += [_format_total(statement, nano) for nano in (statement.cost_nano, margin)]
    write_line(title)
    cells = [[UNKNOWN if row[name] is None else str(row[name]) for name in headers] for row in rows]
    write_table(headers, cells, numeric=headers[2:], total=footer)
    for note in notes:
        write_line(note)


def _format_total(statement: Statement, nano: int, *, lower_bound: bool = False) -> str:
    """Format a sum in the statement's currency: `$12.40+`, `12.40+ EUR`."""
    from spantoll.query import to_usd
    from spantoll.surfaces.cells import format_dollars

    text = format_dollars(to_usd(nano), lower_bound=lower_bound)
    return text if statement.currency == USD else f"{text.replace('$', '')} {statement.currency}"


def _subtract(revenue_nano: int | None, cost_nano: int | None) -> int | None:
    return None if revenue_nano is None or cost_nano is None else revenue_nano - cost_nano


def _format_exact(nano: int | None) -> str | None:
    """Write nano of a currency as an exact decimal of it."""
    from spantoll.query import to_usd

    amount = to_usd(nano)
    return None if amount is None else f"{amount:f}"
