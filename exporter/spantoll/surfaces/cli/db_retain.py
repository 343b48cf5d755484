"""`spantoll db retain`: delete the records of long ago, and keep their roll-ups.

Input: for how long records are kept, or a day. Output: the plan, then what was deleted, on stdout;
progress on stderr.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from spantoll.surfaces.cli.options import Database

if TYPE_CHECKING:
    from spantoll.storage.retention_run import Deletion, RetentionPlan

__all__ = ["retain"]

LEAST_NS = 24 * 3600 * 10**9
"""What is kept at least: a day, in which late spans and duplicates of calls arrive."""


def retain(
    keep: Annotated[
        str | None, typer.Option(metavar="400d", help="Keep the records of so long.")
    ] = None,
    before: Annotated[
        str | None, typer.Option(metavar="DAY", help="Delete what started before this UTC day.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be deleted, and delete nothing.")
    ] = False,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Who does it, for the audit; otherwise the user of this machine."
        ),
    ] = None,
    database: Database = None,
) -> None:
    """Delete the records before a UTC day while others write; their sums stay in the roll-ups.

    It cannot be undone. Interrupted, it goes on when it is started again.
    """
    from spantoll.pipeline.ledger import Ledger
    from spantoll.pipeline.retain import retain_records
    from spantoll.pipeline.settle import make_settle
    from spantoll.pipeline.user_pricing import load_user_card
    from spantoll.storage.retention_run import plan_retention
    from spantoll.surfaces.cli.ledger import now_ns, open_ledger, user_name
    from spantoll.surfaces.cli.output import write_line
    from spantoll.surfaces.cli.reprice_actions import find_sql_store

    before_ns = _read_before(keep, before, now_ns=now_ns())
    with open_ledger(database) as ledger:
        store = find_sql_store(ledger.store)
        store.check_retention()
        planned = plan_retention(store.engine, before_ns)
        write_line(_describe_plan(planned))
        if dry_run or not planned.records:
            return
        settling = Ledger(store, settle=make_settle(load_user_card(store.engine)))
        done = retain_records(
            store,
            before_ns,
            by=by or user_name(),
            now_ns=now_ns(),
            settle_pending=settling.settle_pending,
            progress=lambda done: _show(done, planned),
        )
    if sys.stderr.isatty():
        print(file=sys.stderr)
    write_line(
        f"{done.deleted:,} records deleted; {done.examined - done.deleted:,} stay, because later "
        "calls have their trace or response id"
    )


def _read_before(keep: str | None, before: str | None, *, now_ns: int) -> int:
    """Read before which time records are deleted. Raises QueryError."""
    from spantoll.query.times import parse_time, subtract_period
    from spantoll.query.windows import find_zone

    utc = find_zone("UTC")
    if (keep is None) == (before is None):
        raise typer.BadParameter("give one of them", param_hint="--keep or --before")
    if keep is not None:
        before_ns = subtract_period(keep, field="keep", tz=utc, now_ns=now_ns)
    else:
        before_ns = parse_time(str(before), field="before", tz=utc, now_ns=now_ns)
    if before_ns > now_ns - LEAST_NS:
        raise typer.BadParameter("records of the last 24 hours stay: calls still arrive")
    return before_ns


def _describe_plan(planned: RetentionPlan) -> str:
    from spantoll.storage.retention import name_mark

    if not planned.records or planned.first_ns is None or planned.last_ns is None:
        return f"No records to delete before {name_mark(planned.deleted_before_ns)}."
    first, last = name_mark(planned.first_ns), name_mark(planned.last_ns)
    return (
        f"{planned.records:,} records from {first} to {last}, all before "
        f"{name_mark(planned.deleted_before_ns)}, are deleted, but for those whose trace or "
        "response id later calls have. Of that time these stay exact: sums of UTC days by "
        "provider, model, operation, status, price, customer, project, team, environment, service "
        "and user, of 15 minutes by model, and percentiles of latency by UTC day. Lists of "
        "records, statements of customers, other dimensions and counts of sessions are lost."
    )


def _show(done: Deletion, planned: RetentionPlan) -> None:
    if sys.stderr.isatty():
        print(f"\r{done.examined:,} of {planned.records:,} records", end="", file=sys.stderr)
