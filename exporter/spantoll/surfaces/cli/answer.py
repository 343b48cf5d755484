"""Run a query on the ledger of a command and write its answer.

Input: what makes the query of the settings. Output: the result on stdout as a table, JSON or CSV;
where the cost is not exact, the reasons follow it. A table of nothing says why it is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from spantoll.surfaces.cli.options import Format

if TYPE_CHECKING:
    from spantoll.query import Query, Result
    from spantoll.storage.adjustments import Adjusted
    from spantoll.surfaces.cli.ledger import Opened

__all__ = ["answer_query"]


def answer_query(
    make_query: Callable[[Opened], Query],
    *,
    database: str | None,
    format: Format,
    all_reasons: bool = False,
    show_sources: bool = False,
) -> None:
    """Open the ledger, run the query and write the answer."""
    from spantoll.query import doubt_query, run
    from spantoll.surfaces.adjusted import read_adjusted
    from spantoll.surfaces.cli.ledger import open_ledger
    from spantoll.surfaces.cli.output import write_notice
    from spantoll.surfaces.cli.report import NAMED, explain_empty

    with open_ledger(database) as ledger:
        query = make_query(ledger)
        result, adjusted = run(ledger.engine, query), read_adjusted(ledger.engine, query)
        state = result.totals.cost
        doubtful = state is not None and (state.estimated or state.lower_bound)
        reasons = run(ledger.engine, doubt_query(query)) if doubtful else None
        nothing = "" if result.totals.requests else explain_empty(ledger)
        named = None if all_reasons else NAMED
        advice = _advise(ledger, reasons, named) if reasons and format is Format.table else []
    if show_sources:
        write_notice(f"read from {', '.join(result.sources)}")
    if nothing and format is not Format.json:  # a JSON answer says itself that it is of no call
        write_notice(nothing)
    if not nothing or format is not Format.table:
        _write_answer(result, reasons, adjusted, format, named=named, advice=advice)


def _advise(ledger: Opened, reasons: Result, named: int | None) -> list[str]:
    from spantoll.pipeline.user_pricing import load_user_card
    from spantoll.surfaces.advice import name_database
    from spantoll.surfaces.doubt_advice import advise_doubts

    return advise_doubts(
        ledger.engine,
        reasons,
        load_card=lambda: load_user_card(ledger.engine),
        options=name_database(ledger.settings),
        named=named,
    )


def _write_answer(
    result: Result,
    reasons: Result | None,
    adjusted: tuple[Adjusted, Adjusted],
    format: Format,
    *,
    named: int | None,
    advice: Sequence[str],
) -> None:
    from spantoll.query import plain_headers, plain_result, plain_rows
    from spantoll.surfaces.adjusted import plain_adjusted
    from spantoll.surfaces.cli.output import write_csv, write_json, write_line, write_notice
    from spantoll.surfaces.cli.periods_report import describe_adjusted
    from spantoll.surfaces.cli.report import print_report

    match format:
        case Format.json:
            extra = {"doubts": plain_rows(reasons) if reasons else []}
            write_json({**plain_result(result), **extra, "adjustments": plain_adjusted(*adjusted)})
        case Format.csv:
            for note in result.notes:
                write_notice(note)
            write_csv(plain_headers(result), plain_rows(result))
        case Format.table:
            print_report(result, reasons, named=named, advice=advice)
            for line in describe_adjusted(*adjusted):
                write_line(line)
