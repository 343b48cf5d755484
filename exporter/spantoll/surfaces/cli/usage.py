"""`spantoll usage`: sums of measures by dimensions and windows, as a table, JSON or CSV.

Input: flags, which become one `Query`. Output: its `Result` on stdout; where the cost is not exact,
the reasons follow it. A table of nothing says why it is empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spantoll.surfaces.cli.options import (
    All,
    By,
    Database,
    Doubts,
    Exact,
    Fill,
    FiscalStart,
    Format,
    Formatted,
    From,
    Last,
    Limit,
    Measures,
    Order,
    Others,
    To,
    Tz,
    WeekStart,
    Where,
    WindowName,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spantoll.query import Result
    from spantoll.storage.adjustments import Adjusted

__all__ = ["usage"]


def usage(
    by: By = None,
    measure: Measures = None,
    where: Where = None,
    from_: From = None,
    to: To = None,
    last: Last = None,
    window: WindowName = "total",
    tz: Tz = None,
    order: Order = None,
    limit: Limit = None,
    uncounted: All = False,
    fill: Fill = False,
    others: Others = False,
    week_start: WeekStart = None,
    fiscal_start: FiscalStart = 1,
    exact: Exact = False,
    doubts: Doubts = False,
    format: Formatted = Format.table,
    database: Database = None,
) -> None:
    """Show what was used and what it costs, by anything, over any period."""
    from spantoll.query import doubt_query, parse_query, run
    from spantoll.surfaces.cli.advice import name_database
    from spantoll.surfaces.cli.ledger import now_ns, open_ledger
    from spantoll.surfaces.cli.output import write_notice
    from spantoll.surfaces.cli.periods_report import read_adjusted
    from spantoll.surfaces.cli.report import explain_empty

    with open_ledger(database) as ledger:
        query = parse_query(
            measures=measure or (),
            by=by or (),
            where=where or (),
            start=from_,
            end=to,
            last=last,
            window=window,
            tz=tz or ledger.settings.tz,
            order=order or (),
            limit=limit,
            uncounted=uncounted,
            exact=exact,
            fill=fill,
            others=others,
            week_start=week_start,
            fiscal_start=fiscal_start,
            now_ns=now_ns(),
        )
        result, adjusted = run(ledger.engine, query), read_adjusted(ledger.engine, query)
        state = result.totals.cost
        doubtful = state is not None and (state.estimated or state.lower_bound)
        reasons = run(ledger.engine, doubt_query(query)) if doubtful else None
        reason = "" if result.totals.requests else explain_empty(ledger)
    if format is Format.table and reason:
        write_notice(reason)
    else:
        options = name_database(ledger.settings)
        _write_answer(result, reasons, adjusted, format, all_reasons=doubts, options=options)


def _write_answer(
    result: Result,
    reasons: Result | None,
    adjusted: tuple[Adjusted, Adjusted],
    format: Format,
    *,
    all_reasons: bool,
    options: Sequence[str],
) -> None:
    from spantoll.query import plain_headers, plain_result, plain_rows
    from spantoll.surfaces.cli.output import write_csv, write_json, write_line
    from spantoll.surfaces.cli.periods_report import describe_adjusted, plain_adjusted
    from spantoll.surfaces.cli.report import NAMED, print_report

    match format:
        case Format.json:
            extra = {"doubts": plain_rows(reasons) if reasons else []}
            write_json({**plain_result(result), **extra, "adjustments": plain_adjusted(*adjusted)})
        case Format.csv:
            write_csv(plain_headers(result), plain_rows(result))
        case Format.table:
            named = None if all_reasons else NAMED
            print_report(result, reasons, named=named, options=options)
            for line in describe_adjusted(*adjusted):
                write_line(line)
