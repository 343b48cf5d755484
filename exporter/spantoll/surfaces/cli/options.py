"""Options that several commands share, declared once.

Input: the words of a command line. Output: annotated types that a command names in its signature;
an option has the name, the form and the help text it has everywhere.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

__all__ = [
    "All",
    "By",
    "Database",
    "Doubts",
    "Exact",
    "ExplainPlan",
    "Fill",
    "FiscalStart",
    "Format",
    "Formatted",
    "From",
    "Last",
    "Limit",
    "Measures",
    "Order",
    "Others",
    "To",
    "Tz",
    "WeekStart",
    "Where",
    "WindowName",
]


class Format(StrEnum):
    """How an answer is written."""

    table = "table"
    json = "json"
    csv = "csv"


Database = Annotated[
    str | None,
    typer.Option(metavar="URL", help="The ledger: the path of a file, or the URL of a database."),
]
Formatted = Annotated[Format, typer.Option("--format", "-f", help="How to write the answer.")]
By = Annotated[
    list[str] | None,
    typer.Option(metavar="DIMENSION", help="Split by this: model, customer_id ... Repeatable."),
]
Measures = Annotated[
    list[str] | None,
    typer.Option(
        "--measure", metavar="MEASURE", help="What to add up: cost, requests ... Repeatable."
    ),
]
WindowName = Annotated[
    str,
    typer.Option(metavar="WINDOW", help="minute, hour, day, week, month, quarter, year, total."),
]
WeekStart = Annotated[
    str | None, typer.Option(metavar="DAY", help="Day on which weeks begin: monday ... sunday.")
]
FiscalStart = Annotated[
    int | None,
    typer.Option(
        min=1, max=12, metavar="MONTH", help="Month in which fiscal years begin; as set if absent."
    ),
]
Fill = Annotated[
    bool, typer.Option("--fill", help="A row for every window, also where nothing was used.")
]
Others = Annotated[
    bool, typer.Option("--others", help="Add up what is beyond --limit in a row of its own.")
]
Order = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Sort by this, -NAME for largest first. Repeatable."),
]
Exact = Annotated[
    bool, typer.Option("--exact", help="Percentiles of every value, not of 4 % buckets.")
]
ExplainPlan = Annotated[
    bool, typer.Option("--explain-plan", help="Say on stderr which tables the sums were read from.")
]
Doubts = Annotated[
    bool, typer.Option("--doubts", help="Name every reason why the cost is not exact.")
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FIELD=VALUE",
        help="Only these; FIELD!=VALUE for all others, FIELD= for unknown, "
        "FIELD^=PREFIX, FIELD>=NUMBER. Repeatable.",
    ),
]
From = Annotated[
    str | None,
    typer.Option("--from", metavar="TIME", help="Inclusive: 2026-11-01, -7d, this_month ..."),
]
To = Annotated[str | None, typer.Option("--to", metavar="TIME", help="Exclusive.")]
Last = Annotated[
    str | None, typer.Option(metavar="SPAN", help="Until now: 30min, 24h, 7d, 2w, 1mo, 1y.")
]
Tz = Annotated[
    str | None, typer.Option(metavar="ZONE", help="IANA time zone, e.g. Europe/Berlin [UTC].")
]
Limit = Annotated[int | None, typer.Option(min=1, help="At most so many rows.")]
All = Annotated[
    bool,
    typer.Option(
        "--uncounted", "--all", help="Also what is not counted: repetitions, agents, tools."
    ),
]
