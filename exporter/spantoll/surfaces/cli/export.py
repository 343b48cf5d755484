"""`spantoll export`: records, or sums of them, into a file.

Input: filters and a period, as `spantoll records` and `usage` take them. Output: CSV, JSON lines,
XLSX or Parquet, by the name of the file. Records are written as they are read: memory does not grow
with them, and the file has its name only when it is whole.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spantoll.surfaces.cli.options import (
    All,
    By,
    Database,
    From,
    Last,
    Measures,
    To,
    Tz,
    Where,
    WindowName,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spantoll.query import Filter, Query, RecordQuery
    from spantoll.surfaces.cli.ledger import Opened
    from spantoll.surfaces.exports import Export

__all__ = ["export"]


class ExportFormat(StrEnum):
    """How a file is written."""

    csv = "csv"
    jsonl = "jsonl"
    xlsx = "xlsx"
    parquet = "parquet"


def export(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="FILE.csv, .jsonl, .xlsx or .parquet; - is stdout."),
    ],
    by: By = None,
    measure: Measures = None,
    window: WindowName = "total",
    where: Where = None,
    from_: From = None,
    to: To = None,
    last: Last = None,
    tz: Tz = None,
    uncounted: All = False,
    focus: Annotated[
        bool, typer.Option("--focus", help="Cost by UTC day, model and owner, as FOCUS 1.2.")
    ] = False,
    format: Annotated[
        ExportFormat | None,
        typer.Option("--format", "-f", help="Where the name of the file does not say it."),
    ] = None,
    database: Database = None,
) -> None:
    """Write records to a file; with --by, --measure or --window their sums, or as FOCUS."""
    from spantoll.query import RecordQuery, parse_filters, parse_period, parse_query
    from spantoll.surfaces.cli.ledger import now_ns, open_ledger

    chosen = _choose_format(file, format)
    if focus and (by or measure or uncounted or window != "total"):
        raise typer.BadParameter(
            "takes no --by, --measure, --window or --all", param_hint="--focus"
        )
    with open_ledger(database) as ledger:
        zone = tz or ledger.settings.tz
        if by or measure or window != "total":
            query = parse_query(
                measures=measure or (),
                by=by or (),
                where=where or (),
                start=from_,
                end=to,
                last=last,
                window=window,
                tz=zone,
                uncounted=uncounted,
                now_ns=now_ns(),
            )
            _write_file(_export_sums(ledger, query), file, chosen)
            return
        start_ns, end_ns = parse_period(start=from_, end=to, last=last, tz=zone, now_ns=now_ns())
        filters = parse_filters(where or ())
        if focus:
            exported = _export_focus(ledger, filters, start_ns=start_ns, end_ns=end_ns)
        else:
            records = RecordQuery(
                filters=filters, start_ns=start_ns, end_ns=end_ns, limit=None, uncounted=uncounted
            )
            exported = _export_records(ledger, records, tz=zone)
        _write_file(exported, file, chosen)


def _export_sums(ledger: Opened, query: Query) -> Export:
    from spantoll.query import plain_headers, plain_rows, run
    from spantoll.surfaces.exports import Export, describe_result

    result = run(ledger.engine, query)
    return Export(plain_headers(result), plain_rows(result), describe_result(result))


def _export_focus(
    ledger: Opened, filters: Sequence[Filter], *, start_ns: int | None, end_ns: int | None
) -> Export:
    from spantoll.query import run
    from spantoll.surfaces.cli.output import write_notice
    from spantoll.surfaces.exports import (
        FOCUS_HEADERS,
        Export,
        describe_result,
        iterate_focus_rows,
        make_focus_query,
    )

    result = run(ledger.engine, make_focus_query(filters, start_ns=start_ns, end_ns=end_ns))
    state = result.totals.cost
    if state is not None and state.unpriced_requests:
        write_notice(f"Calls without a known cost, in no row: {state.unpriced_requests:,}.")
    return Export(FOCUS_HEADERS, iterate_focus_rows(result), describe_result(result))


def _export_records(ledger: Opened, query: RecordQuery, *, tz: str) -> Export:
    from spantoll.query import RECORD_HEADERS
    from spantoll.surfaces.exports import Export, describe_query, iterate_plain_records

    rows = iterate_plain_records(ledger.engine, query, ledger.links)
    return Export(RECORD_HEADERS, rows, describe_query(query, tz=tz))


def _choose_format(file: Path, format: ExportFormat | None) -> str:
    if format is not None:
        return format.value
    suffix = file.suffix.lower().removeprefix(".")
    if suffix not in list(ExportFormat):
        raise typer.BadParameter(
            f"{file}: end it in .{', .'.join(ExportFormat)}, or say --format", param_hint="FILE"
        )
    return suffix


def _write_file(export: Export, file: Path, format: str) -> None:
    """Write to stdout, or to a file beside the wanted one that takes its name at the end."""
    from spantoll.errors import ConfigurationError
    from spantoll.surfaces.exports import write_export

    if str(file) == "-":
        write_export(sys.stdout.buffer, export, format=format)
        return
    part = file.with_name(f"{file.name}.part")
    try:
        with part.open("wb") as opened:
            write_export(opened, export, format=format)
        part.replace(file)
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
