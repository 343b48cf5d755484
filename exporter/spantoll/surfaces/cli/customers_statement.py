"""`spantoll customers statement`: what a customer is charged for a period, line by line.

Input: a customer, a period, a zone and a currency. Output: lines of usage, included quantities and
the minimum charge with their total, and what is not known of it. Cost and margin are shown only
when asked for: a statement is for the customer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from spantoll.surfaces.cli.options import Database, Format, Formatted, From, To, Tz

if TYPE_CHECKING:
    from spantoll.surfaces.statement import PeriodStatement

__all__ = ["write_statement"]


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
    ] = "USD",
    cost: Annotated[bool, typer.Option("--cost", help="Show cost and margin too.")] = False,
    tenant: Annotated[str, typer.Option(metavar="TENANT", help="Of its records.")] = "default",
    tz: Tz = None,
    format: Formatted = Format.table,
    database: Database = None,
) -> None:
    """Show what a customer is charged for a period."""
    from spantoll.surfaces.cli.ledger import now_ns, open_ledger
    from spantoll.surfaces.cli.output import write_csv, write_json, write_notice
    from spantoll.surfaces.statement import (
        list_notes,
        list_statement_headers,
        plain_lines,
        plain_statement,
        read_period,
        read_period_statement,
    )

    with open_ledger(database) as ledger:
        zone = tz or ledger.settings.tz
        name, parts = read_period(period, from_, to, zone, now_ns=now_ns())
        shown = read_period_statement(
            ledger.engine,
            customer,
            parts,
            period=name,
            tz=zone,
            currency=currency,
            tenant_id=tenant,
        )
    statement = shown.statement
    match format:
        case Format.json:
            write_json(plain_statement(shown, cost=cost))
        case Format.csv:
            headers = list_statement_headers(statement, cost=cost)
            write_csv(headers, plain_lines(statement, cost=cost))
            for note in list_notes(shown, cost=cost):
                write_notice(note)
        case Format.table:
            _print_table(shown, cost=cost)


def _print_table(shown: PeriodStatement, *, cost: bool) -> None:
    from spantoll.surfaces.cells import UNKNOWN
    from spantoll.surfaces.cli.output import write_line, write_table
    from spantoll.surfaces.statement import (
        format_cost_sums,
        format_total,
        list_notes,
        list_statement_headers,
        plain_lines,
    )

    statement = shown.statement
    headers = list_statement_headers(statement, cost=cost)
    total = format_total(statement, statement.total_nano, lower_bound=statement.lower_bound)
    footer = ["total", "", f"{statement.requests:,}", "", total]
    if cost:
        footer += [*format_cost_sums(statement), f"{statement.requests_without_cost:,}"]
    write_line(f"{statement.customer_id}, {shown.period}, {shown.tz}")
    rows = plain_lines(statement, cost=cost)
    cells = [[UNKNOWN if row[name] is None else str(row[name]) for name in headers] for row in rows]
    write_table(headers, cells, numeric=headers[2:], total=footer)
    for note in list_notes(shown, cost=cost):
        write_line(note)
