"""`spantoll customers statement`: what a customer is charged for a month, line by line.

Input: a customer, a month and a zone. Output: lines of usage, included quantities and the minimum
charge with their total, and what is not known of it. Cost and margin are shown only when asked for:
a statement is for the customer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spantoll.surfaces.cli.options import Database, Format, Formatted, Tz

if TYPE_CHECKING:
    from spantoll.customers.statement import Statement

__all__ = ["write_statement"]


def write_statement(
    customer: Annotated[str, typer.Argument(help="Customer id.")],
    month: Annotated[str, typer.Option(metavar="YYYY-MM", help="Which calendar month.")],
    cost: Annotated[bool, typer.Option("--cost", help="Show cost and margin too.")] = False,
    tenant: Annotated[str, typer.Option(metavar="TENANT", help="Of its records.")] = "default",
    tz: Tz = None,
    format: Formatted = Format.table,
    database: Database = None,
) -> None:
    """Show what a customer is charged for a month."""
    from spantoll.pipeline.customer_book import read_file_customers
    from spantoll.storage.customers_statement import read_statement
    from spantoll.surfaces.cli.ledger import now_ns, open_ledger
    from spantoll.surfaces.cli.output import write_csv, write_json, write_notice
    from spantoll.surfaces.cli.periods_report import describe_statement
    from spantoll.surfaces.statement import list_doubts, read_month

    with open_ledger(database) as ledger:
        zone = tz or ledger.settings.tz
        start_ns, end_ns = read_month(month, zone, now_ns=now_ns())
        statement = read_statement(
            ledger.engine,
            customer,
            start_ns=start_ns,
            end_ns=end_ns,
            tenant_id=tenant,
            file=read_file_customers(),
        )
        adjusted = describe_statement(ledger.engine, customer, start_ns=start_ns, end_ns=end_ns)
        notes = [*list_doubts(statement), *adjusted]
    rows = list(_list_rows(statement, cost=cost))
    match format:
        case Format.json:
            write_json(
                {**_describe(statement, month, zone, cost=cost), "lines": rows, "notes": notes}
            )
        case Format.csv:
            write_csv(_headers(cost), rows)
            for note in notes:
                write_notice(note)
        case Format.table:
            _print_table(statement, rows, notes, month=month, zone=zone, cost=cost)


def _headers(cost: bool) -> list[str]:
    shown = ["kind", "item", "requests", "quantity", "revenue_usd"]
    return [*shown, "cost_usd", "margin_usd"] if cost else shown


def _list_rows(statement: Statement, *, cost: bool) -> Iterator[dict[str, Any]]:
    for line in statement.lines:
        row: dict[str, Any] = {
            "kind": line.kind,
            "item": line.item,
            "requests": line.requests,
            "quantity": None if line.quantity is None else str(line.quantity),
            "revenue_usd": _money(line.revenue_nano),
        }
        if cost:
            margin = _subtract(line.revenue_nano, line.cost_nano)
            row |= {"cost_usd": _money(line.cost_nano), "margin_usd": _money(margin)}
        yield row


def _describe(statement: Statement, month: str, zone: str, *, cost: bool) -> dict[str, Any]:
    described: dict[str, Any] = {
        "customer": statement.customer_id,
        "month": month,
        "tz": zone,
        "currency": "USD",
        "requests": statement.requests,
        "requests_without_revenue": sum(statement.unknown.values()),
        "total_usd": _money(statement.total_nano),
        "lower_bound": bool(statement.unknown),
    }
    if cost:
        described["cost_usd"] = _money(statement.cost_nano)
    return described


def _print_table(
    statement: Statement,
    rows: list[dict[str, Any]],
    notes: list[str],
    *,
    month: str,
    zone: str,
    cost: bool,
) -> None:
    from spantoll.query import to_usd
    from spantoll.surfaces.cells import UNKNOWN, format_dollars
    from spantoll.surfaces.cli.output import write_line, write_table

    headers = _headers(cost)
    total = format_dollars(to_usd(statement.total_nano), lower_bound=bool(statement.unknown))
    footer = ["total", "", f"{statement.requests:,}", "", total]
    if cost:
        margin = statement.total_nano - statement.cost_nano
        footer += [format_dollars(to_usd(statement.cost_nano)), format_dollars(to_usd(margin))]
    write_line(f"{statement.customer_id}, {month}, {zone}")
    cells = [[UNKNOWN if row[name] is None else str(row[name]) for name in headers] for row in rows]
    write_table(headers, cells, numeric=headers[2:], total=footer)
    for note in notes:
        write_line(note)


def _subtract(revenue_nano: int | None, cost_nano: int | None) -> int | None:
    return None if revenue_nano is None or cost_nano is None else revenue_nano - cost_nano


def _money(nano: int | None) -> str | None:
    from spantoll.query import to_usd

    usd = to_usd(nano)
    return None if usd is None else f"{usd:f}"
