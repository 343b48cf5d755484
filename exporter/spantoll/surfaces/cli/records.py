"""`spantoll records`: list calls, newest first, as a table, JSON or CSV.

The columns of the table are those of `plain_record`, in the same units.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from spantoll.surfaces.cli.options import (
    All,
    Database,
    Format,
    Formatted,
    From,
    Last,
    To,
    Tz,
    Where,
)

if TYPE_CHECKING:
    from spantoll.query import Listed, Page

__all__ = ["records"]

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
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 50,
    where: Where = None,
    from_: From = None,
    to: To = None,
    last: Last = None,
    tz: Tz = None,
    uncounted: All = False,
    after: Annotated[
        str | None, typer.Option(metavar="CURSOR", help="Go on where a listing stopped.")
    ] = None,
    format: Formatted = Format.table,
    database: Database = None,
) -> None:
    """List calls, newest first; --all adds what is not counted, with what it repeats."""
    from spantoll.query import (
        RECORD_HEADERS,
        RecordQuery,
        list_records,
        parse_filters,
        parse_period,
        plain_record,
    )
    from spantoll.surfaces.cli.ledger import now_ns, open_ledger
    from spantoll.surfaces.cli.output import write_csv, write_json, write_notice
    from spantoll.surfaces.cli.report import explain_empty

    with open_ledger(database) as ledger:
        zone_name = tz or ledger.settings.tz
        links = ledger.links
        start_ns, end_ns = parse_period(
            start=from_, end=to, last=last, tz=zone_name, now_ns=now_ns()
        )
        page = list_records(
            ledger.engine,
            RecordQuery(
                filters=parse_filters(where or ()),
                start_ns=start_ns,
                end_ns=end_ns,
                limit=limit,
                after=after,
                uncounted=uncounted,
            ),
        )
        reason = "" if page.records else explain_empty(ledger)
    match format:
        case Format.json:
            write_json([plain_record(each, links) for each in page.records])
        case Format.csv:
            write_csv(RECORD_HEADERS, (plain_record(each, links) for each in page.records))
        case Format.table if reason:
            write_notice(reason)
        case Format.table:
            _write_table(page, tz=zone_name, uncounted=uncounted)
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
