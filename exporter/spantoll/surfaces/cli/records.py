"""`spantoll records`: list calls, newest first, or export them as CSV or JSON lines.

Input: filters and a period. Output: records as `plain_records` shows them, in the same units. An
export has every record and is written as it is read: memory does not grow with it.
"""

from __future__ import annotations

import gc
import sys
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from spantoll.surfaces.cli.options import (
    All,
    Database,
    From,
    Last,
    To,
    Tz,
    Where,
)

if TYPE_CHECKING:
    from spantoll.query import Listed, Page, RecordQuery
    from spantoll.surfaces.cli.ledger import Opened

__all__ = ["records"]

LISTED = 50
"""Records of a table unless more are asked for."""


class RecordFormat(StrEnum):
    """How records are written."""

    table = "table"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"


HEADERS = (
    "id",
    "started_at",
    "provider",
    "model",
    "operation",
    "input_tokens",
    "cache_read_tokens",
    "output_tokens",
    "cost_usd",
    "latency_ms",
    "status",
    "customer_id",
    "user_id",
)
NUMERIC = (
    "id",
    "input_tokens",
    "cache_read_tokens",
    "output_tokens",
    "cost_usd",
    "latency_ms",
)


def records(
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", "-n", min=1, help="At most so many; 50 in a table and in JSON, else all."
        ),
    ] = None,
    where: Where = None,
    from_: From = None,
    to: To = None,
    last: Last = None,
    tz: Tz = None,
    uncounted: All = False,
    after: Annotated[
        str | None, typer.Option(metavar="CURSOR", help="Go on where a listing stopped.")
    ] = None,
    format: Annotated[
        RecordFormat, typer.Option("--format", "-f", help="csv and jsonl are exports: all records.")
    ] = RecordFormat.table,
    database: Database = None,
) -> None:
    """List calls, newest first; --all adds what is not counted, with what it repeats."""
    from spantoll.query import RecordQuery, parse_filters, parse_period
    from spantoll.surfaces.cli.ledger import now_ns, open_ledger

    with open_ledger(database) as ledger:
        zone_name = tz or ledger.settings.tz
        start_ns, end_ns = parse_period(
            start=from_, end=to, last=last, tz=zone_name, now_ns=now_ns()
        )
        query = RecordQuery(
            filters=parse_filters(where or ()),
            start_ns=start_ns,
            end_ns=end_ns,
            limit=limit,
            after=after,
            uncounted=uncounted,
        )
        if format in (RecordFormat.csv, RecordFormat.jsonl):
            _export(ledger, query, format)
        else:
            _list(ledger, query, format, tz=zone_name)


def _export(ledger: Opened, query: RecordQuery, format: RecordFormat) -> None:
    from spantoll.surfaces.record_lines import LINE_FORMATS, iterate_lines

    gc.disable()  # nothing here is a cycle, and the collector would visit every cell of a part
    lines = LINE_FORMATS[format.value]
    sys.stdout.writelines(iterate_lines(ledger.engine, query, lines, ledger.links))


def _list(ledger: Opened, query: RecordQuery, format: RecordFormat, *, tz: str) -> None:
    from spantoll.query import list_records, plain_records
    from spantoll.surfaces.cli.output import write_json, write_notice
    from spantoll.surfaces.cli.report import explain_empty

    page = list_records(ledger.engine, replace(query, limit=query.limit or LISTED))
    if format is RecordFormat.json:
        write_json(plain_records(page.records, ledger.links))
    elif page.records:
        _write_table(page, tz=tz, uncounted=query.uncounted)
    else:
        write_notice(explain_empty(ledger))
    if page.cursor:
        write_notice(f"More: --after {page.cursor}")


def _write_table(page: Page, *, tz: str, uncounted: bool) -> None:
    from spantoll.surfaces.cli.output import write_line, write_table

    headers = (*HEADERS, "counted") if uncounted else HEADERS
    rows = [_format_row(each, tz) for each in page.records]
    write_table(headers, (row[: len(headers)] for row in rows), numeric=NUMERIC)
    marks = "; ~ is estimated, + leaves something out, - is unknown"
    write_line(f"Times in {tz}{marks}: `spantoll explain ID` shows how a record was priced.")


def _format_row(listed: Listed, tz: str) -> list[str]:
    from spantoll.query import CostState
    from spantoll.query.windows import find_zone, to_local_time
    from spantoll.surfaces.cells import UNKNOWN, format_cost, format_number

    record = listed.record
    why = record.counted_reason or UNKNOWN
    if record.repeats_span:
        why = f"{why} {record.repeats_span[:16].hex()}/{record.repeats_span[16:].hex()}"
    return [
        str(listed.id),
        f"{to_local_time(record.started_ns, find_zone(tz)):%Y-%m-%d %H:%M:%S}",
        record.provider or UNKNOWN,
        record.model or UNKNOWN,
        record.operation or UNKNOWN,
        format_number(record.input_tokens),
        format_number(record.cache_read_tokens),
        format_number(record.output_tokens),
        format_cost(CostState.from_record(record)),
        format_number(None if record.duration_ns is None else record.duration_ns // 1_000_000),
        record.error_type or record.status,
        record.customer_id or UNKNOWN,
        record.user_id or UNKNOWN,
        why,
    ]
