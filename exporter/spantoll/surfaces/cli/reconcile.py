"""`spantoll reconcile`: a provider's bill against the ledger, as a table, JSON or CSV.

Input: files of a provider. Output: a line per day and model; status 0 within the threshold, 1
beyond it, 2 where a file or an option cannot be read.
"""

from __future__ import annotations

from datetime import date, time, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spantoll.surfaces.cli.options import Database, Format, Formatted, From, To, Where

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spantoll.reconcile import Reconciliation

__all__ = ["reconcile"]

BEYOND = 1


def reconcile(
    provider: Annotated[
        str,
        typer.Argument(metavar="PROVIDER", help="openai, anthropic, bedrock ..., or generic."),
    ],
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Its usage and cost exports: CSV or JSON."),
    ],
    from_: From = None,
    to: To = None,
    where: Where = None,
    threshold: Annotated[
        str, typer.Option(metavar="SHARE", help="How far both may differ: 1%, 0.01.")
    ] = "1%",
    alias: Annotated[
        list[str] | None,
        typer.Option(metavar="BILL=LEDGER", help="A model the bill names otherwise. Repeatable."),
    ] = None,
    tz: Annotated[
        str | None,
        typer.Option(metavar="ZONE", help="Zone of the days of a generic bill [UTC]."),
    ] = None,
    format: Formatted = Format.table,
    database: Database = None,
) -> None:
    """Compare a provider's bill with the ledger: coverage, drift and why, per model and day."""
    from spantoll.query import parse_filters
    from spantoll.reconcile import read_bills
    from spantoll.reconcile import reconcile as compare
    from spantoll.surfaces.cli.ledger import open_ledger
    from spantoll.surfaces.cli.output import write_notice

    limit, aliases = _parse_share(threshold), _parse_aliases(alias or ())
    first, last = _parse_days(from_, to, tz or "UTC")
    bills = read_bills(files, provider, tz=tz)
    with open_ledger(database) as ledger:
        answer = compare(
            ledger.engine,
            bills,
            tz=tz or "UTC",
            first=first,
            last=last,
            aliases=aliases,
            filters=parse_filters(where or ()),
        )
    if not any(each.used.requests for each in answer.comparisons):
        write_notice(
            f"The ledger has no calls of {provider} from {answer.period.first} to "
            f"{answer.period.last}: `spantoll usage --by provider` shows what it has."
        )
    _write_answer(answer, limit, format)
    if not answer.is_within(limit):
        raise typer.Exit(BEYOND)


def _write_answer(answer: Reconciliation, threshold: Decimal, format: Format) -> None:
    from spantoll.reconcile import RECONCILIATION_HEADERS, plain_comparison, plain_reconciliation
    from spantoll.surfaces.cli.output import write_csv, write_json
    from spantoll.surfaces.cli.reconciliation import print_reconciliation

    match format:
        case Format.json:
            write_json(plain_reconciliation(answer, threshold=threshold))
        case Format.csv:
            write_csv(RECONCILIATION_HEADERS, map(plain_comparison, answer.comparisons))
        case Format.table:
            print_reconciliation(answer, threshold)


def _parse_share(text: str) -> Decimal:
    """Read `1%` or `0.01`. Raises QueryError."""
    from spantoll.errors import QueryError

    try:
        number = Decimal(text.strip().removesuffix("%"))
    except InvalidOperation:
        number = Decimal(-1)
    share = number / 100 if text.strip().endswith("%") else number
    if not share.is_finite() or not 0 <= share <= 1:
        raise QueryError(
            f"threshold {text!r}: write a share from 0% to 100%, or 0 to 1", field="threshold"
        )
    return share


def _parse_aliases(texts: Sequence[str]) -> dict[str, str]:
    from spantoll.errors import QueryError

    aliases: dict[str, str] = {}
    for text in texts:
        billed, sign, ours = (part.strip() for part in text.partition("="))
        if not (billed and sign and ours):
            raise QueryError(f"alias {text!r}: write BILL=LEDGER", field="alias")
        aliases[billed] = ours
    return aliases


def _parse_days(start: str | None, end: str | None, tz: str) -> tuple[date | None, date | None]:
    """Read the period as first and last day. Raises QueryError unless it is of whole days."""
    from spantoll.errors import QueryError
    from spantoll.query import parse_period
    from spantoll.query.windows import find_zone, to_local_time
    from spantoll.surfaces.cli.ledger import now_ns

    start_ns, end_ns = parse_period(start=start, end=end, last=None, tz=tz, now_ns=now_ns())
    if start_ns is not None and end_ns is not None and start_ns >= end_ns:
        raise QueryError("from must be before to", field="from")
    days: list[date | None] = []
    for field, ns in (("from", start_ns), ("to", end_ns)):
        local = None if ns is None else to_local_time(ns, find_zone(tz))
        if local is not None and local.time() != time():
            raise QueryError(f"{field}: a bill has whole days; write a date", field=field)
        days.append(None if local is None else local.date())
    first, following = days
    return first, None if following is None else following - timedelta(days=1)
