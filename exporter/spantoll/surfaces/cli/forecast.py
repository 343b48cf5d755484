"""`spantoll forecast`: what the current month will have cost when it ends, as an estimate.

Input: filters and a zone. Output: the forecast of `query/forecast.py` on stdout, with its rule; an
unknown one with the reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spantoll.surfaces.cli.options import Database, Format, Formatted, Tz, Where

if TYPE_CHECKING:
    from spantoll.query import Forecast

__all__ = ["forecast"]


def forecast(
    where: Where = None,
    tz: Tz = None,
    format: Formatted = Format.table,
    database: Database = None,
) -> None:
    """Estimate what the current month will have cost when it ends."""
    from spantoll.query import FORECAST_HEADERS, Query, forecast_month, parse_filters
    from spantoll.query import plain_forecast as show
    from spantoll.surfaces.cli.ledger import now_ns, open_ledger
    from spantoll.surfaces.cli.output import write_csv, write_json

    with open_ledger(database) as ledger:
        query = Query(filters=parse_filters(where or ()), tz=tz or ledger.settings.tz)
        answer = forecast_month(ledger.engine, query, now_ns=now_ns())
    match format:
        case Format.json:
            write_json(show(answer))
        case Format.csv:
            write_csv(FORECAST_HEADERS, [show(answer)])
        case Format.table:
            _print_forecast(answer)


def _print_forecast(answer: Forecast) -> None:
    from spantoll.query.forecast import RULE
    from spantoll.query.windows import find_zone, to_local_time
    from spantoll.surfaces.cells import format_dollars, format_measure
    from spantoll.surfaces.cli.output import write_line, write_table

    zone = find_zone(answer.tz)
    columns = ["cost so far", "mean of a day", "days left", "forecast"]
    amounts = [
        format_dollars(amount, estimated=True, lower_bound=answer.lower_bound)
        for amount in (answer.daily_cost_usd, answer.cost_usd)
    ]
    row = [format_measure(answer.spent, "cost_usd"), amounts[0], f"{answer.days_left:.1f}"]
    write_table(
        ["month", *columns],
        [[f"{to_local_time(answer.month.start_ns, zone):%Y-%m}", *row, amounts[1]]],
        numeric=columns,
    )
    write_line(f"An estimate: {RULE} ({answer.tz}).")
    if answer.reason:
        write_line(f"It is unknown: {answer.reason}.")
    for note in answer.notes:
        write_line(note)
