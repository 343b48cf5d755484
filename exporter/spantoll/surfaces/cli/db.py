"""`spantoll db`: copy a ledger, back it up into a file, list changes by hand, verify roll-ups.

Input: the ledger, and where to. Output: one line per table on stdout, progress on stderr.
"""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spantoll.surfaces.cli.db_promote import promote
from spantoll.surfaces.cli.db_retain import retain
from spantoll.surfaces.cli.options import Database, Format, Formatted, Tz

if TYPE_CHECKING:
    from spantoll.storage import SqlStore, Store

__all__ = ["db_app"]

db_app = typer.Typer(
    help="Copy a ledger, back it up, delete what is old, index attributes, verify roll-ups.",
    no_args_is_help=True,
)
db_app.command()(retain)
db_app.command()(promote)

AUDIT_HEADERS = ("at", "by", "action", "record", "records", "why")


@db_app.command()
def copy(
    to: Annotated[
        str, typer.Option(metavar="URL", help="An empty database, or an earlier copy of this one.")
    ],
    database: Database = None,
) -> None:
    """Copy the ledger, of one moment, to another database; compare every row of both.

    Started again, it goes on where it was interrupted, or brings over what has changed since.
    """
    from spantoll.storage import open_store
    from spantoll.surfaces.cli.ledger import open_ledger

    with open_ledger(database) as ledger:
        target = open_store(to)
        try:
            _copy(ledger.store, target)
        finally:
            target.close()


@db_app.command()
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that is not there yet.")],
    database: Database = None,
) -> None:
    """Copy the ledger, of one moment, into a SQLite file: of any database, while it is written.

    The file is a ledger: `--database FILE` reads it, `spantoll db copy` restores it.
    """
    from spantoll.errors import ConfigurationError
    from spantoll.storage import open_store
    from spantoll.surfaces.cli.ledger import open_ledger

    if file.exists():
        raise ConfigurationError(f"{file} is there already; give the backup a name of its own")
    part = file.with_name(f"{file.name}.part")
    with open_ledger(database) as ledger:
        target = open_store(str(part))
        try:
            _copy(ledger.store, target)
        finally:
            target.close()
    part.replace(file)


@db_app.command()
def audit(tz: Tz = None, format: Formatted = Format.table, database: Database = None) -> None:
    """List what was changed on purpose, newest first: who, when, what and why."""
    from spantoll.query.windows import find_zone, to_local_time
    from spantoll.storage.audit_events import list_audit_events
    from spantoll.surfaces.cli.ledger import open_ledger
    from spantoll.surfaces.cli.output import write_csv, write_json, write_table

    with open_ledger(database) as ledger:
        zone = find_zone(tz or ledger.settings.tz)
        rows: list[dict[str, object]] = [
            {
                "at": f"{to_local_time(each.at_ns, zone):%Y-%m-%d %H:%M:%S}",
                "by": each.done_by,
                "action": each.action,
                "record": each.record_id,
                "records": each.records,
                "why": each.why,
            }
            for each in list_audit_events(ledger.engine)
        ]
    match format:
        case Format.json:
            write_json(rows)
        case Format.csv:
            write_csv(AUDIT_HEADERS, rows)
        case Format.table:
            cells = (["-" if cell is None else str(cell) for cell in row.values()] for row in rows)
            numeric = ("record", "records")
            empty = "Nothing was changed on purpose yet."
            write_table(AUDIT_HEADERS, cells, numeric=numeric, empty=empty)


@db_app.command()
def verify(database: Database = None) -> None:
    """Compare the roll-ups with the records they sum; status 1 where they differ.

    Reads every record, while others write.
    """
    from datetime import UTC, datetime

    from spantoll.storage.roll_up_verify import verify_roll_ups
    from spantoll.surfaces.cli.ledger import open_ledger

    def name_day(day_ns: int) -> str:
        return f"{datetime.fromtimestamp(day_ns // 10**9, UTC):%Y-%m-%d}"

    with open_ledger(database) as ledger, _require_sql(ledger.store).long_statements():
        found = verify_roll_ups(
            ledger.engine, progress=lambda day_ns: _show(f"verified: {name_day(day_ns)}")
        )
    for each in found.differences:
        print(
            f"{name_day(each.day_ns)} {each.roll_up}: {each.rows:,} rows differ; "
            f"{each.rolled_up_records:,} records summed, {each.records:,} counted"
        )
    if found.deleted_before_ns:
        print(f"records before {name_day(found.deleted_before_ns)} are deleted: not compared")
    if found.gaps:
        print("a part is not filled yet, and answered from records: `spantoll up` fills it")
    if found.differences:
        print("`spantoll db rebuild` makes the roll-ups again")
        raise typer.Exit(1)
    print(f"{found.days:,} days compared: roll-ups equal records")


@db_app.command()
def rebuild(database: Database = None) -> None:
    """Make the roll-ups again from the records, while others write.

    Answers come from records meanwhile. Interrupted, it goes on with `spantoll up`.
    """
    from spantoll.storage.roll_up_fill import clear_roll_ups, fill_gaps
    from spantoll.surfaces.cli.ledger import open_ledger

    with open_ledger(database) as ledger:
        store = _require_sql(ledger.store)
        with store.long_statements():
            clear_roll_ups(store)
            is_complete = fill_gaps(store)
    print(
        "the roll-ups are made again"
        if is_complete
        else "days whose sums exceed 64 bits are answered from records"
    )


def _require_sql(store: Store) -> SqlStore:
    from spantoll.errors import ConfigurationError
    from spantoll.storage import SqlStore

    if not isinstance(store, SqlStore):
        raise ConfigurationError(f"{store.url} has no roll-ups")
    return store


def _show(progress: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{progress}", end="", file=sys.stderr)


def _copy(source: Store, target: Store) -> None:
    from spantoll.errors import ConfigurationError
    from spantoll.storage import SqlStore
    from spantoll.storage.copy import copy_ledger

    if not isinstance(source, SqlStore) or not isinstance(target, SqlStore):
        raise ConfigurationError("only ledgers in SQL databases can be copied")
    if source.url == target.url:
        raise ConfigurationError(f"{source.url} cannot be copied to itself")

    copied = copy_ledger(
        source, target, progress=lambda name, rows: _show(f"{name}: {rows:,} rows")
    )
    if sys.stderr.isatty():
        print(file=sys.stderr)
    for table in copied:
        print(f"{table.name}: {table.rows:,} rows equal, {table.written:,} of them written now")
    sums = copied[0].sums
    cost_usd = Decimal(sums["cost_nano"]).scaleb(-9)
    print(
        f"in both: {copied[0].rows:,} records, {sums['input_tokens']:,} input tokens, "
        f"{sums['output_tokens']:,} output tokens, cost ${cost_usd:,f}"
    )
