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

from spantoll.surfaces.cli.options import Database
from spantoll.surfaces.cli.query_options import UsageOptions, take_usage_options

if TYPE_CHECKING:
    from spantoll.query import Query
    from spantoll.surfaces.cli.ledger import Opened
    from spantoll.surfaces.exports import Export

__all__ = ["export"]


class ExportFormat(StrEnum):
    """How a file is written."""

    csv = "csv"
    jsonl = "jsonl"
    xlsx = "xlsx"
    parquet = "parquet"


@take_usage_options
def export(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="FILE.csv, .jsonl, .xlsx or .parquet; - is stdout."),
    ],
    asked: UsageOptions,
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
    from spantoll.surfaces.cli.ledger import open_ledger

    chosen = _choose_format(file, format)
    is_of_sums = bool(asked.by or asked.measure or asked.window != "total")
    _check_options(asked, is_of_sums=is_of_sums, focus=focus)
    with open_ledger(database) as ledger:
        if is_of_sums:
            exported = _export_sums(ledger, asked.read_query(ledger))
        elif focus:
            exported = _export_focus(ledger, asked.read_query(ledger))
        else:
            exported = _export_records(ledger, asked.read_query(ledger))
        _write_file(exported, file, chosen)


def _check_options(asked: UsageOptions, *, is_of_sums: bool, focus: bool) -> None:
    """Refuse what the export does not take. Raises BadParameter."""
    if focus and (is_of_sums or asked.uncounted or asked.limit):
        raise typer.BadParameter(
            "takes no --by, --measure, --window, --limit or --all", param_hint="--focus"
        )
    of_sums = ("order", "fill", "others", "week_start", "fiscal_start", "exact")
    if not is_of_sums and (given := [name for name in of_sums if getattr(asked, name)]):
        option = f"--{given[0].replace('_', '-')}"
        raise typer.BadParameter("is of sums: add --by, --measure or --window", param_hint=option)


def _export_sums(ledger: Opened, query: Query) -> Export:
    from spantoll.query import plain_headers, plain_rows, run
    from spantoll.surfaces.exports import Export, describe_result

    result = run(ledger.engine, query)
    return Export(plain_headers(result), plain_rows(result), describe_result(result))


def _export_focus(ledger: Opened, query: Query) -> Export:
    from spantoll.query import run
    from spantoll.surfaces.cli.output import write_notice
    from spantoll.surfaces.exports import (
        FOCUS_HEADERS,
        Export,
        describe_result,
        iterate_focus_rows,
        make_focus_query,
    )

    wanted = make_focus_query(query.filters, start_ns=query.start_ns, end_ns=query.end_ns)
    result = run(ledger.engine, wanted)
    state = result.totals.cost
    if state is not None and state.unpriced_requests:
        write_notice(f"Calls without a known cost, in no row: {state.unpriced_requests:,}.")
    return Export(FOCUS_HEADERS, iterate_focus_rows(result), describe_result(result))


def _export_records(ledger: Opened, query: Query) -> Export:
    from spantoll.query import RecordQuery
    from spantoll.surfaces.exports import make_record_export

    wanted = RecordQuery(
        filters=query.filters,
        start_ns=query.start_ns,
        end_ns=query.end_ns,
        limit=query.limit,
        uncounted=query.uncounted,
    )
    return make_record_export(ledger.engine, wanted, tz=query.tz, links=ledger.links)


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
