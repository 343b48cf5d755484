"""`spantoll top`, `user` and `ask`: the questions that are asked most, in few words.

Input: a dimension, a user or the name of a question, and which records. Output: the answer of one
query of `query/named.py`, by `answer.answer_query`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from spantoll.surfaces.cli.options import (
    Database,
    Doubts,
    Format,
    Formatted,
    From,
    Last,
    Measures,
    To,
    Tz,
    Where,
)

if TYPE_CHECKING:
    from spantoll.query import Scope
    from spantoll.surfaces.cli.ledger import Opened

__all__ = ["ask", "top", "user"]


def top(
    by: Annotated[
        list[str] | None,
        typer.Argument(metavar="[DIMENSION]...", help="user, customer ... [model]"),
    ] = None,
    measure: Measures = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many to name.")] = 10,
    where: Where = None,
    from_: From = None,
    to: To = None,
    last: Last = None,
    tz: Tz = None,
    doubts: Doubts = False,
    format: Formatted = Format.table,
    database: Database = None,
) -> None:
    """Show the largest by the first measure, the cost by default, and all others as one row."""
    from spantoll.query import parse_query
    from spantoll.surfaces.cli.answer import answer_query
    from spantoll.surfaces.cli.ledger import now_ns

    measures = measure or ["cost_usd", "requests", "total_tokens"]
    answer_query(
        lambda ledger: parse_query(
            measure=measures,
            by=by or ["model"],
            where=where or (),
            start=from_,
            end=to,
            last=last,
            tz=tz or ledger.settings.tz,
            order=[f"-{measures[0]}"],
            limit=count,
            others=True,
            now_ns=now_ns(),
        ),
        database=database,
        format=format,
        all_reasons=doubts,
    )


def user(
    name: Annotated[str, typer.Argument(metavar="USER", help="The user_id of the calls.")],
    where: Where = None,
    from_: From = None,
    to: To = None,
    last: Last = None,
    tz: Tz = None,
    doubts: Doubts = False,
    format: Formatted = Format.table,
    database: Database = None,
) -> None:
    """Show what a user used and what it cost, the most called model first, this month."""
    from spantoll.query import user_usage
    from spantoll.surfaces.cli.answer import answer_query

    since = "this_month" if from_ is None and last is None else from_
    answer_query(
        lambda ledger: user_usage(_read_scope(ledger, where, since, to, last, tz), name),
        database=database,
        format=format,
        all_reasons=doubts,
    )


def ask(
    question: Annotated[
        str | None, typer.Argument(help="Its name; without one all are listed.")
    ] = None,
    where: Where = None,
    from_: From = None,
    to: To = None,
    last: Last = None,
    tz: Tz = None,
    doubts: Doubts = False,
    format: Formatted = Format.table,
    database: Database = None,
) -> None:
    """Answer a question by its name: performance, cost_by_provider, real_time ..."""
    from spantoll.query import QUESTIONS, find_question
    from spantoll.surfaces.cli.answer import answer_query
    from spantoll.surfaces.cli.output import write_line

    if question is None:
        for name, asked in QUESTIONS.items():
            text = " ".join((asked.__doc__ or "").removeprefix("Return ").split())
            write_line(f"{name:<23} {text}")
        return
    make_query = find_question(question)
    answer_query(
        lambda ledger: make_query(_read_scope(ledger, where, from_, to, last, tz)),
        database=database,
        format=format,
        all_reasons=doubts,
    )


def _read_scope(
    ledger: Opened,
    where: list[str] | None,
    start: str | None,
    end: str | None,
    last: str | None,
    tz: str | None,
) -> Scope:
    from spantoll.query import Scope, parse_filters, parse_period
    from spantoll.surfaces.cli.ledger import now_ns

    zone, now = tz or ledger.settings.tz, now_ns()
    start_ns, end_ns = parse_period(start=start, end=end, last=last, tz=zone, now_ns=now)
    return Scope(
        filters=parse_filters(where or ()),
        start_ns=start_ns,
        end_ns=now if end_ns is None else end_ns,
        tz=zone,
    )
