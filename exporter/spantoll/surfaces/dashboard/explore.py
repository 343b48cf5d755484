"""`/explore`: any measures, split by any dimensions, over any windows.

Input: the parameters of `/api/v1/usage/query`, in the address. Output: a chart with its sentence, a
table whose rows lead to their records, and addresses of the same answer in the formats of the API.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from spantoll.errors import QueryError
from spantoll.query import DIMENSIONS, MEASURES, WINDOWS, Filter, Query, Result, run
from spantoll.query.measures import find_measure
from spantoll.surfaces.cells import format_measure
from spantoll.surfaces.dashboard.chart import Chart, Point, draw_bars
from spantoll.surfaces.dashboard.comparison import compare, describe_period
from spantoll.surfaces.dashboard.copy_as import write_command, write_request, write_sql
from spantoll.surfaces.dashboard.downloads import Downloads, list_downloads
from spantoll.surfaces.dashboard.explore_table import (
    ROWS,
    Table,
    link_records,
    list_compared_rows,
    list_rows,
)
from spantoll.surfaces.dashboard.live import share_live
from spantoll.surfaces.dashboard.nothing import explain_nothing
from spantoll.surfaces.dashboard.over_time import draw_groups, draw_windows, name_group
from spantoll.surfaces.dashboard.period import View, read_or_default
from spantoll.surfaces.dashboard.pivot import can_pivot, make_pivot
from spantoll.surfaces.dashboard.render import Page
from spantoll.surfaces.rest.context import RestContext
from spantoll.surfaces.rest.guard import KEY
from spantoll.surfaces.rest.media import MEDIA_TYPES

__all__ = ["router"]

MEASURES_SHOWN = ("cost_usd", "requests")
"""Asked for where the address names none."""
INPUTS = 3
"""Of the form; an address may have more."""
ADDITIVE = ("USD", "requests", "tokens")
"""Units whose amounts may stand on top of each other."""
MEANS = ("cost_per_request_usd",)
"""Measures with such a unit that are no sums: on top of each other they would say nothing."""

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


class Question(NamedTuple):
    """What the address asks beside period and filters."""

    measures: tuple[str, ...]
    by: tuple[str, ...]
    window: str
    order: str = ""

    def list_parameters(self) -> list[tuple[str, str]]:
        """Return the parameters of the REST API that ask the same."""
        pairs = [("measure", name) for name in self.measures] + [("by", name) for name in self.by]
        if self.window != "total":
            pairs.append(("window", self.window))
        return [*pairs, ("order", self.order)] if self.order else pairs

    def make_query(self, view: View) -> Query:
        """Return the query of the table. Raises QueryError for what has no meaning."""
        return view.query(
            *self.measures,
            by=self.by,
            window=self.window,
            order=[self.order] if self.order else [],
            limit=ROWS,
        )


@router.get("/explore")
@share_live
def show_explore(request: Request, context: RestContext, visible: Sequence[Filter]) -> Page:
    """Show measures by dimensions and windows, as the address says."""
    view, problem = read_or_default(request, context, visible)
    question = read_question(request)
    pivoted = request.query_params.get("pivot") == "true"
    pairs = [*question.list_parameters(), *([("pivot", "true")] if pivoted else [])]
    view = view._replace(asked=tuple(pairs))
    pivot = None
    try:
        table, compared_with = read_table(context, view, question)
        query = question.make_query(view)
        if pivoted and can_pivot(query):
            pivot = make_pivot(context.engine, view, query)
        chart = draw_answer(context, view, question, table.result)
    except QueryError as error:
        problem = problem or str(error)
        question = Question(MEASURES_SHOWN, (), "total")
        table, compared_with = read_table(context, view._replace(against=""), question)
        chart = None
    return Page(
        "explore.html",
        {
            "view": view,
            "problem": problem,
            "question": question,
            "measure_inputs": pad(question.measures, INPUTS),
            "split_inputs": pad(question.by, INPUTS),
            "measures": MEASURES,
            "dimensions": DIMENSIONS,
            "windows": WINDOWS,
            "table": table,
            "before": compared_with,
            "nothing": None
            if table.result.totals.requests
            else explain_nothing(context.engine, view, visible, request.url.path),
            "chart": chart,
            "downloads": Downloads(
                "usage",
                list(list_downloads(view, question.list_parameters(), tuple(MEDIA_TYPES))),
            ),
            "copies": write_copies(request, context, view, question),
            "pivot": pivot,
            "pivot_link": f"{view.stay(request.url.path)}&pivot=true"
            if not pivoted and can_pivot(question.make_query(view))
            else "",
        },
    )


def read_table(context: RestContext, view: View, question: Question) -> tuple[Table, str]:
    """Answer a question, and say with which period it is compared. Raises QueryError."""
    query = question.make_query(view)
    if not view.against:
        return list_rows(view, run(context.engine, query)), ""
    growth = compare(context.engine, view, replace(query, limit=None))
    with_what = describe_period(view, growth) if query.window == "total" else "the window before"
    return list_compared_rows(view, growth), with_what


def read_question(request: Request) -> Question:
    """Read what is asked; empty inputs of the form ask nothing."""
    given = request.query_params
    measures = tuple(dict.fromkeys(name for name in given.getlist("measure") if name.strip()))
    by = tuple(dict.fromkeys(name for name in given.getlist("by") if name.strip()))
    return Question(
        measures or MEASURES_SHOWN, by, given.get("window") or "total", given.get("order", "")
    )


def pad(names: Sequence[str], length: int) -> list[str]:
    """Return the names, and empty ones up to a length."""
    return [*names, *("" for _ in range(length - len(names)))]


def write_copies(
    request: Request, context: RestContext, view: View, question: Question
) -> list[tuple[str, str]]:
    """Return what asks the same elsewhere: names, each with a text to copy."""
    parameters = [*view.list_parameters(), *question.list_parameters()]
    copies = [
        ("On the command line", write_command(parameters)),
        (
            "From the REST API",
            write_request(
                parameters,
                server=str(request.base_url).rstrip("/"),
                needs_key=request.scope.get(KEY) is not None,
            ),
        ),
    ]
    query = replace(question.make_query(view), limit=None, order=())
    sql = write_sql(query, context.engine.dialect)
    return copies if sql is None else [*copies, ("In SQL, of the ledger's view v1_call", sql)]


def draw_answer(context: RestContext, view: View, question: Question, result: Result) -> Chart:
    """Draw the first measure: over time where there are windows, otherwise by group."""
    measure = find_measure(question.measures[0])
    title = measure.name.replace("_", " ")
    if result.query.window == "total":
        points = [
            Point(
                name_group(row),
                row.measures[measure.name],
                format_measure(row, measure.name),
                link_records(view, None, row.dimensions),
            )
            for row in result.rows
        ]
        return draw_bars(points, of=f"{title} by {' and '.join(result.query.dimensions) or 'all'}")
    over_time = run(context.engine, view.query(measure.name, window=question.window, fill=True))
    of = f"{title} by {question.window}"
    if question.by and measure.unit in ADDITIVE and measure.name not in MEANS:
        return draw_groups(
            context.engine,
            view,
            measure.name,
            by=result.query.dimensions,
            window=question.window,
            of=of,
            totals=over_time.rows,
        )
    of += ", all groups together" if question.by else ""
    return draw_windows(view, over_time.rows, measure.name, window=question.window, of=of)
