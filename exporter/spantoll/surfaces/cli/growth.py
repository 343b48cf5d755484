"""`spantoll growth`: a period beside an earlier one, or each window beside the one before.

Input: flags, which become one `Query`. Output: its `Growth` on stdout: what it is now, what it was,
the difference, and that as a share.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from spantoll.surfaces.cli.options import (
    By,
    Database,
    FiscalStart,
    Format,
    Formatted,
    From,
    Last,
    Limit,
    Measures,
    To,
    Tz,
    WeekStart,
    Where,
    WindowName,
)

if TYPE_CHECKING:
    from spantoll.query import Compared, Growth, Number

__all__ = ["growth"]


def growth(
    by: By = None,
    measure: Measures = None,
    where: Where = None,
    from_: From = None,
    to: To = None,
    last: Last = None,
    against: Annotated[
        str, typer.Option(metavar="PERIOD", help="previous, or the same days: month, year.")
    ] = "previous",
    window: WindowName = "total",
    tz: Tz = None,
    limit: Limit = None,
    week_start: WeekStart = None,
    fiscal_start: FiscalStart = None,
    format: Formatted = Format.table,
    database: Database = None,
) -> None:
    """Compare a period, 30 days by default, with the one before; or each window with the last."""
    from spantoll.query import (
        GROWTH_MEASURES,
        close_growth_period,
        measure_growth,
        parse_query,
    )
    from spantoll.surfaces.cli.ledger import now_ns, open_ledger
    from spantoll.surfaces.cli.output import write_notice
    from spantoll.surfaces.cli.report import explain_empty

    with open_ledger(database) as ledger:
        query = parse_query(
            measure=measure or GROWTH_MEASURES,
            by=by or (),
            where=where or (),
            **close_growth_period(from_, to, last),
            window=window,
            tz=tz or ledger.settings.tz,
            limit=limit,
            week_start=week_start,
            fiscal_start=fiscal_start or ledger.settings.fiscal_start,
            now_ns=now_ns(),
        )
        answer = measure_growth(ledger.engine, query, against=against)
        used = any(each.totals.requests for each in (answer.result, answer.before))
        nothing = "" if used else explain_empty(ledger)
    if nothing and format is not Format.json:  # a JSON answer says itself that it is of no call
        write_notice(nothing)
    if not nothing or format is not Format.table:
        _write_growth(answer, format)


def _write_growth(answer: Growth, format: Format) -> None:
    from spantoll.query import growth_headers, plain_growth
    from spantoll.surfaces.cli.output import write_csv, write_json

    match format:
        case Format.json:
            write_json(plain_growth(answer))
        case Format.csv:
            write_csv(growth_headers(answer), plain_growth(answer)["rows"])
        case Format.table:
            _print_growth(answer)


def _print_growth(answer: Growth) -> None:
    from spantoll.surfaces.cli.output import write_line, write_table
    from spantoll.surfaces.cli.report import format_keys, format_period

    query = answer.result.query
    keys = [*(["window"] if query.window != "total" else []), *query.dimensions]
    columns = [
        heading
        for name in query.measures
        for heading in (name, f"{name} before", "change", "growth")
    ]
    total = None
    if keys:
        total = ["total", *[""] * (len(keys) - 1), *_format_changes(answer.totals, query.measures)]
    write_table(
        [*keys, *columns],
        (
            [
                *format_keys(answer.result, each.window, each.dimensions),
                *_format_changes(each, query.measures),
            ]
            for each in (answer.rows if keys else [answer.totals])
        ),
        numeric=columns,
        total=total if query.window == "total" else None,
    )
    write_line(format_period(answer.result))
    if query.window == "total":
        write_line(f"Before: {format_period(answer.before)}")


def _format_changes(compared: Compared, measures: Sequence[str]) -> Iterator[str]:
    from spantoll.surfaces.cells import UNKNOWN, format_amount

    for name in measures:
        change = compared.change(name)
        yield format_amount(compared.now, name, change.now)
        yield format_amount(compared.before, name, change.before)
        yield _sign(change.difference, format_amount(None, name, change.difference))
        yield UNKNOWN if change.ratio is None else f"{change.ratio:+.1%}"


def _sign(value: Number, text: str) -> str:
    return f"+{text}" if isinstance(value, (int, float, Decimal)) and value > 0 else text
