"""`spantoll periods`: close a month, list what is closed, list what was adjusted since.

Input: a period and a time zone. Output: its sums as they stay from then on. What comes later for
its time is an adjustment that is booked when it comes (docs/repricing.md).
"""

from __future__ import annotations

from typing import Annotated

import typer

from spantoll.surfaces.cli.options import Database, Format, Formatted, From, To, Tz

__all__ = ["periods_app"]

periods_app = typer.Typer(
    help="Close months: their records are never edited again.", no_args_is_help=True
)


@periods_app.command("close")
def close(
    period: Annotated[str, typer.Argument(metavar="PERIOD", help="2026-10, 2026-Q4 or 2026.")],
    tz: Tz = None,
    by: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who closes it; otherwise the user of this machine."),
    ] = None,
    database: Database = None,
) -> None:
    """Close a period that is over: what comes later for it becomes an adjustment."""
    from spantoll.query import Query, run
    from spantoll.storage.periods import close_period
    from spantoll.surfaces.cells import format_measure
    from spantoll.surfaces.cli.ledger import now_ns, open_ledger, user_name
    from spantoll.surfaces.cli.output import write_line
    from spantoll.surfaces.cli.reprice_actions import find_sql_store
    from spantoll.surfaces.periods import parse_period_name

    with open_ledger(database) as ledger:
        zone = tz or ledger.settings.tz
        window = parse_period_name(period, tz=zone)
        closed = close_period(
            find_sql_store(ledger.store),
            period,
            tz=zone,
            start_ns=window.start_ns,
            end_ns=window.end_ns,
            by=by or user_name(),
            now_ns=now_ns(),
        )
        query = Query(start_ns=closed.start_ns, end_ns=closed.end_ns)
        totals = run(ledger.engine, query).totals
    cost = format_measure(totals, "cost_usd")
    write_line(f"Closed {closed.name} ({closed.tz}): {totals.requests:,} calls, {cost}.")
    if unpriced := totals.measures["unpriced_requests"]:
        write_line(f"{unpriced:,} of them have no price: one they get later is an adjustment.")


@periods_app.command("list")
def list_all(format: Formatted = Format.table, database: Database = None) -> None:
    """List the closed periods with what was adjusted since."""
    from spantoll.surfaces.cli.ledger import open_ledger
    from spantoll.surfaces.cli.periods_report import write_periods
    from spantoll.surfaces.periods import list_adjusted_periods

    with open_ledger(database) as ledger:
        periods = list_adjusted_periods(ledger.engine)
    write_periods(periods, format=format)


@periods_app.command("adjustments")
def adjustments(
    from_: From = None,
    to: To = None,
    period: Annotated[
        str | None, typer.Option(metavar="PERIOD", help="Only those of this closed period.")
    ] = None,
    customer: Annotated[str | None, typer.Option(help="Only those of this customer.")] = None,
    tz: Tz = None,
    format: Formatted = Format.table,
    database: Database = None,
) -> None:
    """List adjustments, by when they were booked: the record, why, and by how much."""
    from spantoll.query import parse_period
    from spantoll.storage.adjustments import list_adjustments
    from spantoll.storage.periods import list_periods
    from spantoll.surfaces.cli.ledger import now_ns, open_ledger
    from spantoll.surfaces.cli.periods_report import write_adjustments
    from spantoll.surfaces.periods import find_closed_period

    with open_ledger(database) as ledger:
        zone = tz or ledger.settings.tz
        start_ns, end_ns = parse_period(start=from_, end=to, last=None, tz=zone, now_ns=now_ns())
        periods = list_periods(ledger.engine)
        found = list_adjustments(
            ledger.engine,
            booked_from_ns=start_ns,
            booked_to_ns=end_ns,
            customer_id=customer,
            period_id=find_closed_period(periods, period).period_id if period else None,
        )
    write_adjustments(found, periods, format=format, tz=zone)
