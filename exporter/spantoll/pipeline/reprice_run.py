"""Runs of re-pricing: preview, apply, resume, undo.

Input: a ledger, a selection and a rate card. Output: a `Preview`, or the finished `Run`. Records
are read and priced outside the write transaction, in batches by id, so that memory is bounded and
the lock of a batch is short; after a batch other writers have as long as it took.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import ParamSpec
from zoneinfo import ZoneInfo

from spantoll.customers import PriceBook
from spantoll.errors import RepriceError
from spantoll.pipeline.customer_book import read_customer_book
from spantoll.pipeline.reprice import make_reprice
from spantoll.pipeline.reprice_preview import Preview
from spantoll.pricing import RateCard
from spantoll.storage import SqlStore, Stored
from spantoll.storage.periods import list_periods
from spantoll.storage.reprice import (
    Progress,
    Run,
    RunState,
    Selection,
    find_run,
    finish_run,
    read_batch,
    start_run,
    write_batch,
)
from spantoll.storage.reprice_undo import start_undo, undo_batch

__all__ = ["preview_repricing", "reprice_records", "resume_run", "undo_run"]

BATCH = 250
"""Records of one transaction: about 10 ms on SQLite (`tests/soak/test_repricing_soak.py`)."""

P = ParamSpec("P")

Report = Callable[[int], None]
"""Is given how many more records were looked at."""


def preview_repricing(
    store: SqlStore,
    card: RateCard,
    selection: Selection,
    *,
    end_id: int,
    tz: ZoneInfo,
    now_ns: int,
    report: Report = lambda done: None,
) -> Preview:
    """Add up what pricing the selected records again would change; nothing is written."""
    reprice = make_reprice(card, now_ns=now_ns, book=_read_book(store))
    preview = Preview(tz=tz, periods=list_periods(store.engine))
    for batch in _batches(store, selection, last_id=0, end_id=end_id):
        for member in batch:
            if (change := reprice(member)) is not None:
                preview.add(change)
        preview.examined += len(batch)
        report(len(batch))
    return preview


def reprice_records(
    store: SqlStore,
    card: RateCard,
    selection: Selection,
    *,
    end_id: int,
    by: str,
    now_ns: int,
    report: Report = lambda done: None,
) -> Run:
    """Price the selected records again, as a new run that can be undone.

    Raises RepriceError while another run is unfinished. A run that was interrupted stays
    `running`: `resume_run` goes on with it.
    """
    run = start_run(
        store, selection, end_id=end_id, rate_card=card.fingerprint, by=by, now_ns=now_ns
    )
    return _go_on(store, card, run, now_ns=now_ns, report=report)


def resume_run(
    store: SqlStore,
    card: RateCard,
    run_id: int,
    *,
    now_ns: int,
    report: Report = lambda done: None,
) -> Run:
    """Go on with a run, or with undoing it, where it was interrupted.

    Raises RepriceError for a run that is not unfinished, or that began with other prices: the
    records of one run are priced by one rate card.
    """
    run = find_run(store.engine, run_id)
    match run.state:
        case RunState.UNDOING:
            return _undo(store, run, report=report)
        case RunState.RUNNING if run.rate_card == card.fingerprint:
            return _go_on(store, card, run, now_ns=now_ns, report=report)
        case RunState.RUNNING:
            raise RepriceError(
                f"run {run_id} began with the prices {run.rate_card[:12]}, and this is "
                f"{card.fingerprint[:12]}: `spantoll reprice undo {run_id}`, then start anew"
            )
    raise RepriceError(f"run {run_id} is {run.state}: there is nothing to resume")


def undo_run(
    store: SqlStore,
    run_id: int,
    *,
    by: str,
    now_ns: int,
    report: Report = lambda done: None,
) -> Run:
    """Restore what a run changed, but for records that have changed since (`Run.kept`)."""
    return _undo(store, start_undo(store, run_id, by=by, now_ns=now_ns), report=report)


def _go_on(store: SqlStore, card: RateCard, run: Run, *, now_ns: int, report: Report) -> Run:
    reprice = make_reprice(card, now_ns=now_ns, book=_read_book(store))
    unwritten = 0
    for batch in _batches(store, run.selection, last_id=run.last_id, end_id=run.end_id):
        unwritten += len(batch)
        if changes := [change for each in batch if (change := reprice(each)) is not None]:
            done = Progress(batch[-1].id, examined=unwritten)
            run = _in_turn(write_batch, store, run, changes, reprice=reprice, done=done)
            unwritten = 0
        report(len(batch))
    run = write_batch(store, run, (), reprice=reprice, done=Progress(run.end_id, unwritten))
    return finish_run(store, run, now_ns=time.time_ns())


def _read_book(store: SqlStore) -> PriceBook:
    with store.transaction() as connection:
        return read_customer_book(connection)


def _undo(store: SqlStore, run: Run, *, report: Report) -> Run:
    while run.state is RunState.UNDOING:
        run = _in_turn(undo_batch, store, run, limit=BATCH)
        report(BATCH)
    return run


def _in_turn(write: Callable[P, Run], *given: P.args, **named: P.kwargs) -> Run:
    """Write a batch, then leave the ledger to other writers for as long as that took."""
    began_s = time.monotonic()
    run = write(*given, **named)
    time.sleep(time.monotonic() - began_s)
    return run


def _batches(
    store: SqlStore, selection: Selection, *, last_id: int, end_id: int
) -> Iterator[list[Stored]]:
    while batch := read_batch(store.engine, selection, last_id=last_id, end_id=end_id, limit=BATCH):
        yield batch
        last_id = batch[-1].id
