"""Re-pricing in the database: which records a run selects, what it changes, how far it is.

Input: a `Selection` and the function that prices a stored record again. Output: rows of
`reprice_run` and `reprice_change`, and changed records. Every batch is one short transaction that
also moves the run's `last_id`, so that a killed run goes on where it stopped and changes nothing
twice. Its statements are in the order of a log: what is to change, how far the run is, the changes;
`reprice_resume.py` completes a batch that was cut where there are no transactions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import orjson
from sqlalchemy import ColumnElement, Connection, Engine, Row, func, select, update

from spantoll.errors import RepriceError
from spantoll.pricing.result import Rate
from spantoll.records.columns import usage_record
from spantoll.storage.adjustments import Cause
from spantoll.storage.audit import encode_content
from spantoll.storage.facts import store_changes, stored
from spantoll.storage.rates import to_row
from spantoll.storage.retention import read_deleted_before
from spantoll.storage.sql import SqlStore
from spantoll.storage.store import Stored
from spantoll.storage.tables import rate, reprice_change, reprice_run

__all__ = [
    "Change",
    "Progress",
    "Reprice",
    "Run",
    "RunState",
    "Selection",
    "advance",
    "check_position",
    "count_selected",
    "encode_change",
    "find_run",
    "finish_run",
    "list_runs",
    "list_unfinished_runs",
    "read_batch",
    "read_locked",
    "read_run",
    "start_run",
    "write_batch",
]

r = usage_record.c


class Selection(NamedTuple):
    """Which records are priced again; a field that is None selects all."""

    start_ns: int | None = None
    """Inclusive, UTC nanoseconds, of when the call started."""
    end_ns: int | None = None
    """Exclusive."""
    provider: str | None = None
    model: str | None = None
    customer_id: str | None = None
    tenant_id: str | None = None
    pricing_status: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return what a record must fulfil."""
        wanted = [
            r[name] == value
            for name, value in self._asdict().items()
            if value is not None and name not in ("start_ns", "end_ns")
        ]
        if self.start_ns is not None:
            wanted.append(r.started_ns >= self.start_ns)
        if self.end_ns is not None:
            wanted.append(r.started_ns < self.end_ns)
        return wanted


class RunState(StrEnum):
    """Where a run is; `running` and `undoing` go on after a crash by `spantoll reprice resume`."""

    RUNNING = "running"
    FINISHED = "finished"
    UNDOING = "undoing"
    UNDONE = "undone"


class Run(NamedTuple):
    """One re-pricing, in the order of the columns of `reprice_run`."""

    run_id: int
    started_ns: int
    finished_ns: int | None
    done_by: str
    selection: Selection
    rate_card: str
    """Fingerprint of the prices it applies, those of customers included."""
    state: RunState
    last_id: int
    """Records up to this id are done."""
    end_id: int
    """The last record there was when the run started; later ones have today's price already."""
    examined: int
    changed: int
    old_cost_nano: int
    """Sum of the known costs of the counted records it changed, before."""
    new_cost_nano: int
    undone_ns: int | None
    undone_by: str | None
    kept: int
    """Changed records that undoing left alone, because they have changed since the run."""
    old_known: int | None
    """How many costs `old_cost_nano` adds up; None in runs from before migration 0027."""
    new_known: int | None
    old_incomplete: int | None
    """Records that `old_cost_nano` leaves out, or of which it has only a part."""
    new_incomplete: int | None


class Change(NamedTuple):
    """What pricing one stored record again makes of it."""

    before: Stored
    after: Stored
    rates: tuple[Rate, ...] = ()
    """Rates that the new content names."""


Reprice = Callable[[Stored], Change | None]
"""Price a stored record again; None where nothing would change."""


class Progress(NamedTuple):
    """What one batch did."""

    last_id: int
    examined: int = 0
    changed: int = 0
    old_cost_nano: int = 0
    new_cost_nano: int = 0
    kept: int = 0
    old_known: int = 0
    new_known: int = 0
    old_incomplete: int = 0
    new_incomplete: int = 0


def count_selected(engine: Engine, selection: Selection) -> tuple[int, int]:
    """Return how many records are selected, and the highest id there is."""
    selected = select(func.count()).select_from(usage_record).where(*selection.conditions())
    with engine.connect() as connection:
        last = connection.scalar(select(func.coalesce(func.max(r.id), 0)))
        kept = r.started_ns >= read_deleted_before(connection)
        return connection.scalar(selected.where(r.id <= last, kept)) or 0, last or 0


def read_batch(
    engine: Engine, selection: Selection, *, last_id: int, end_id: int, limit: int
) -> list[Stored]:
    """Read the selected records that follow `last_id`, in the order of their ids."""
    statement = (
        select(usage_record)
        .where(r.id > last_id, r.id <= end_id, *selection.conditions())
        .order_by(r.id)
        .limit(limit)
    )
    with engine.connect() as connection:
        kept = r.started_ns >= read_deleted_before(connection)
        return [stored(row) for row in connection.execute(statement.where(kept))]


def start_run(
    store: SqlStore, selection: Selection, *, end_id: int, rate_card: str, by: str, now_ns: int
) -> Run:
    """Store a run of which nothing is done yet. Raises RepriceError while another is unfinished."""
    with store.transaction() as connection:
        if others := list_unfinished_runs(connection):
            other = others[0].run_id
            raise RepriceError(
                f"run {other} is not finished: `spantoll reprice resume {other}` goes on with it"
            )
        values = {
            "started_ns": now_ns,
            "done_by": by,
            "selection": orjson.dumps(selection._asdict()).decode(),
            "rate_card": rate_card,
            "state": RunState.RUNNING,
            "end_id": end_id,
            **dict.fromkeys(("last_id", "examined", "changed", "kept"), 0),
            **dict.fromkeys(("old_cost_nano", "new_cost_nano"), 0),
            **dict.fromkeys(("old_known", "new_known", "old_incomplete", "new_incomplete"), 0),
        }
        made = connection.execute(reprice_run.insert().values(values)).inserted_primary_key
        return read_run(connection, made[0] if made else 0)


def write_batch(
    store: SqlStore, run: Run, changes: Sequence[Change], *, reprice: Reprice, done: Progress
) -> Run:
    """Store the changes of a batch and how far the run is, in one transaction; return the run.

    Each record is read again under lock; one that was settled since is priced anew by `reprice`.
    `done` gives the last id and the number of records of the batch. Raises RepriceError if another
    process has gone on with the run.
    """
    with store.transaction() as connection:
        now = read_locked(connection, [change.before.id for change in changes])
        real = [
            fresh
            for change in changes
            if (member := now.get(change.before.id)) is not None
            and (fresh := change if member == change.before else reprice(member)) is not None
        ]
        progress = done._replace(
            changed=len(real),
            old_cost_nano=sum(counted_cost(change.before) for change in real),
            new_cost_nano=sum(counted_cost(change.after) for change in real),
            old_known=sum(has_counted_cost(change.before) for change in real),
            new_known=sum(has_counted_cost(change.after) for change in real),
            old_incomplete=sum(lacks_counted_cost(change.before) for change in real),
            new_incomplete=sum(lacks_counted_cost(change.after) for change in real),
        )
        check_position(connection, run)
        if rates := {each.rate_id: each for change in real for each in change.rates}:
            store.insert_missing(connection, rate, [to_row(each) for each in rates.values()])
        if real:
            rows = [
                {"run_id": run.run_id, "record_id": change.before.id, **encode_change(change)}
                for change in real
            ]
            connection.execute(reprice_change.insert(), rows)
        advance(connection, run, progress)
        pairs = [(change.before, change.after) for change in real]
        store_changes(connection, pairs, cause=Cause.REPRICE, run_id=run.run_id)
        return read_run(connection, run.run_id)


def finish_run(store: SqlStore, run: Run, *, now_ns: int) -> Run:
    """Mark a run finished."""
    with store.transaction() as connection:
        connection.execute(
            update(reprice_run)
            .where(reprice_run.c.run_id == run.run_id, reprice_run.c.state == RunState.RUNNING)
            .values(state=RunState.FINISHED, finished_ns=now_ns)
        )
        return read_run(connection, run.run_id)


def list_runs(engine: Engine) -> list[Run]:
    """List all runs, newest first."""
    with engine.connect() as connection:
        newest_first = select(reprice_run).order_by(reprice_run.c.run_id.desc())
        return [_make_run(row) for row in connection.execute(newest_first)]


def list_unfinished_runs(connection: Connection) -> list[Run]:
    """List the runs that are being applied or undone, or that were interrupted in that."""
    c = reprice_run.c
    open_states = (RunState.RUNNING, RunState.UNDOING)
    unfinished = select(reprice_run).where(c.state.in_(open_states)).order_by(c.run_id)
    return [_make_run(row) for row in connection.execute(unfinished)]


def find_run(engine: Engine, run_id: int) -> Run:
    """Find a run by its number. Raises RepriceError where there is none."""
    with engine.connect() as connection:
        return read_run(connection, run_id)


def read_locked(connection: Connection, ids: Sequence[int]) -> Mapping[int, Stored]:
    """Read records by id, held until the transaction ends, in the order in which settling locks.

    Those that started before the mark of retention, which stay as they are, are left out.
    """
    if not ids:
        return {}
    kept = r.started_ns >= read_deleted_before(connection)
    found = select(usage_record).where(r.id.in_(ids), kept).order_by(r.id).with_for_update()
    return {row.id: stored(row) for row in connection.execute(found)}


def check_position(connection: Connection, run: Run) -> None:
    """Raise RepriceError unless the stored run is where `run` says."""
    now = read_run(connection, run.run_id)
    if (now.last_id, now.state) != (run.last_id, run.state):
        raise RepriceError(f"run {run.run_id}: another process is going on with it")


def advance(connection: Connection, run: Run, progress: Progress) -> None:
    """Add a batch to a run that `check_position` has found where `run` says."""
    c = reprice_run.c
    connection.execute(
        update(reprice_run)
        .where(c.run_id == run.run_id)
        .values(
            last_id=progress.last_id,
            **{name: c[name] + getattr(progress, name) for name in Progress._fields[1:]},
        )
    )


def counted_cost(member: Stored) -> int:
    """Return what a record adds to a sum of costs: 0 where it is not counted or has no cost."""
    return (member.current.cost_nano or 0) if member.current.counted else 0


def has_counted_cost(member: Stored) -> bool:
    """Return whether a record adds a cost to a sum, be it 0."""
    return member.current.counted and member.current.cost_nano is not None


def lacks_counted_cost(member: Stored) -> bool:
    """Return whether a counted record has no cost, or one that leaves something out."""
    record = member.current
    return record.counted and (record.cost_nano is None or record.pricing_status == "partial")


def encode_change(change: Change) -> dict[str, str]:
    """Return the columns of `reprice_change` that hold a change."""
    old, new = encode_content(change.before, change.after)
    return {"old_values": old, "new_values": new}


def read_run(connection: Connection, run_id: int) -> Run:
    """Read a run. Raises RepriceError where there is none."""
    row = connection.execute(select(reprice_run).where(reprice_run.c.run_id == run_id)).first()
    if row is None:
        raise RepriceError(f"there is no run {run_id}: `spantoll reprice list` shows them")
    return _make_run(row)


def _make_run(row: Row[Any]) -> Run:
    run = Run._make(row)
    return run._replace(
        selection=Selection(**orjson.loads(row.selection)), state=RunState(row.state)
    )
