"""`spantoll usage`: sums of measures by dimensions and windows, as a table, JSON or CSV.

Input: flags, which become one `Query`. Output: its answer, by `answer.answer_query`.
"""

from __future__ import annotations

from spantoll.surfaces.cli.options import (
    All,
    By,
    Database,
    Doubts,
    Exact,
    ExplainPlan,
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
    fiscal_start: FiscalStart = None,
    exact: Exact = False,
    doubts: Doubts = False,
    explain_plan: ExplainPlan = False,
    format: Formatted = Format.table,
    database: Database = None,
) -> None:
    """Show what was used and what it costs, by anything, over any period."""
    from spantoll.query import parse_query
    from spantoll.surfaces.cli.answer import answer_query
    from spantoll.surfaces.cli.ledger import now_ns

    answer_query(
        lambda ledger: parse_query(
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
            fiscal_start=fiscal_start or ledger.settings.fiscal_start,
            now_ns=now_ns(),
        ),
        database=database,
        format=format,
        all_reasons=doubts,
        show_sources=explain_plan,
    )
