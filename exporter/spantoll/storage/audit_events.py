"""The audit: who changed what in a ledger, and when.

Input: one change, in the transaction that makes it. Output: a row of `audit_event`; the list adds
runs of re-pricing and closed periods, whose own tables have who began them.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import NamedTuple

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import DBAPIError

from spantoll.errors import StoreUnavailable
from spantoll.storage.periods import read_periods
from spantoll.storage.tables import audit_event, reprice_run

__all__ = ["AuditEvent", "add_audit_event", "list_audit_events"]

LONGEST_NAME = 128
LONGEST_WHY = 1_024


class AuditEvent(NamedTuple):
    """One change, in the order of the columns of `audit_event`."""

    event_id: int
    """0 where it is read from another table."""
    at_ns: int
    done_by: str
    """A user of the machine, the name of a key, or an address without a key."""
    action: str
    """void, erase, retain, close, reprice, resume, undo, prices, customers, owners, key.make or
    key.revoke."""
    record_id: int | None
    """The record that is void; None for all else."""
    records: int
    """How many records, or rows of prices, were changed; of `retain`, how many were planned."""
    why: str
    """The reason that was given, or what was changed."""


def add_audit_event(
    connection: Connection,
    action: str,
    *,
    by: str,
    why: str,
    now_ns: int,
    records: int = 0,
    record_id: int | None = None,
) -> None:
    """Add a row, in the transaction of the change."""
    connection.execute(
        audit_event.insert().values(
            at_ns=now_ns,
            done_by=by[:LONGEST_NAME],
            action=action,
            record_id=record_id,
            records=records,
            why=why[:LONGEST_WHY],
        )
    )


def list_audit_events(
    engine: Engine, *, start_ns: int | None = None, end_ns: int | None = None
) -> list[AuditEvent]:
    """List the changes of a period, newest first. Raises StoreUnavailable."""
    try:
        with engine.connect() as connection:
            found = [*_read_events(connection), *_read_runs(connection), *_read_periods(connection)]
    except DBAPIError as error:
        raise StoreUnavailable(f"cannot read the audit: {error.orig}") from error
    wanted = (
        each
        for each in found
        if (start_ns is None or each.at_ns >= start_ns) and (end_ns is None or each.at_ns < end_ns)
    )
    return sorted(wanted, key=attrgetter("at_ns", "event_id"), reverse=True)


def _read_events(connection: Connection) -> Iterator[AuditEvent]:
    return map(AuditEvent._make, connection.execute(select(audit_event)))


def _read_runs(connection: Connection) -> Iterator[AuditEvent]:
    for run in connection.execute(select(reprice_run)):
        what = f"run {run.run_id}"
        began = AuditEvent(0, run.started_ns, run.done_by, "reprice", None, run.changed, what)
        yield began
        if run.undone_by is not None:
            at_ns, restored = run.undone_ns or run.started_ns, run.changed - run.kept
            yield AuditEvent(0, at_ns, run.undone_by, "undo", None, restored, what)


def _read_periods(connection: Connection) -> Iterator[AuditEvent]:
    for each in read_periods(connection):
        yield AuditEvent(0, each.closed_ns, each.closed_by, "close", None, 0, each.name)
