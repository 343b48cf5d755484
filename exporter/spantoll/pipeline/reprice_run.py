"""Runs of re-pricing: preview, apply, resume, undo.

Input: a ledger, a selection and a rate card. Output: a `Preview`, or the finished `Run`. Records
are read and priced outside the write transaction, in batches by id, so that memory is bounded and
the lock of a batch is short; after a batch other writers have as long as it took.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import NamedTuple, ParamSpec
from zoneinfo import ZoneInfo

from spantoll.customers import PriceBook
from spantoll.errors import RepriceError
from spantoll.pipeline.customer_book import read_customer_book
from spantoll.pipeline.reprice import make_reprice
from spantoll.pipeline.reprice_preview import Preview
from spantoll.pricing import Rate, RateCard
from spantoll.storage import SqlStore, Stored
from spantoll.storage.audit_events import add_audit_event
from spantoll.storage.periods import list_periods
from spantoll.storage.rates import read_rates
from spantoll.storage.reprice import (
    Progress,
    Reprice,
    Run,
    RunState,
    Selection,
    find_run,
    finish_run,
    read_batch,
    start_run,
    write_batch,
)
from spantoll.storage.reprice_resume import complete_batch
from spantoll.storage.reprice_undo import start_undo, undo_batch

__all__ = [
    "begin_repricing",
    "finish_repricing",
    "preview_repricing",
    "reprice_records",
    "resume_run",
    "undo_run",
]

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
    reprice = _read_prices(store, card).make_reprice(now_ns=now_ns)
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
    begun = begin_repricing(store, card, selection, end_id=end_id, by=by, now_ns=now_ns)
    return finish_repricing(store, begun, now_ns=now_ns, report=report)


def begin_repricing(
    store: SqlStore,
    card: RateCard,
    selection: Selection,
    *,
    end_id: int,
    by: str,
    now_ns: int,
) -> Begun:
    """Begin a run that has priced nothing yet. Raises RepriceError while another is unfinished."""
    prices = _read_prices(store, card)
    run = start_run(
        store, selection, end_id=end_id, rate_card=prices.fingerprint, by=by, now_ns=now_ns
    )
    return Begun(run, prices)


def finish_repricing(
    store: SqlStore, begun: Begun, *, now_ns: int, report: Report = lambda done: None
) -> Run:
    """Price the records of a run that was begun. Raises StoreUnavailable; it stays `running`."""
    return _go_on(store, begun.prices, begun.run, now_ns=now_ns, report=report)


def resume_run(
    store: SqlStore,
    card: RateCard,
    run_id: int,
    *,
    by: str,
    now_ns: int,
    report: Report = lambda done: None,
) -> Run:
    """Go on with a run, or with undoing it, where it was interrupted; the audit names `by`.

    Raises RepriceError for a run that is not unfinished, or that began with other prices, of
    providers or for customers: the records of one run are priced and charged alike.
    """
    run = find_run(store.engine, run_id)
    if run.state is RunState.UNDOING:
        _add_resumed(store, run, by=by, now_ns=now_ns)
        return _undo(store, run, report=report)
    if run.state is not RunState.RUNNING:
        raise RepriceError(f"run {run_id} is {run.state}: there is nothing to resume")
    prices = _read_prices(store, card)
    if run.rate_card != prices.fingerprint:
        raise RepriceError(
            f"run {run_id} began with the prices {run.rate_card[:12]}, and these, with what "
            f"customers pay, are {prices.fingerprint[:12]}: `spantoll reprice undo {run_id}`, then "
            "start anew"
        )
    _add_resumed(store, run, by=by, now_ns=now_ns)
    complete_batch(store, run, reprice=prices.make_reprice(now_ns=now_ns))
    return _go_on(store, prices, run, now_ns=now_ns, report=report)


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


class _Prices(NamedTuple):
    """All that a run prices and charges records by, read once."""

    card: RateCard
    book: PriceBook
    rates: Mapping[int, Rate]
    """The stored price rows, by which the records were priced."""

    @property
    def fingerprint(self) -> str:
        """Identify the prices of providers and those for customers together: a sha256."""
        if not self.book:
            return self.card.fingerprint
        both = f"{self.card.fingerprint} {self.book.fingerprint}"
        return sha256(both.encode()).hexdigest()

    def make_reprice(self, *, now_ns: int) -> Reprice:
        return make_reprice(self.card, now_ns=now_ns, book=self.book, rates=self.rates)


class Begun(NamedTuple):
    """A run that has begun, and the prices it applies."""

    run: Run
    prices: _Prices


def _read_prices(store: SqlStore, card: RateCard) -> _Prices:
    with store.transaction() as connection:
        return _Prices(card, read_customer_book(connection), read_rates(connection))


def _add_resumed(store: SqlStore, run: Run, *, by: str, now_ns: int) -> None:
    with store.transaction() as connection:
        what = f"run {run.run_id}"
        add_audit_event(connection, "resume", by=by, why=what, now_ns=now_ns)


def _go_on(store: SqlStore, prices: _Prices, run: Run, *, now_ns: int, report: Report) -> Run:
    reprice = prices.make_reprice(now_ns=now_ns)
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


def _undo(store: SqlStore, run: Run, *, report: Report) -> Run:
    while run.state is RunState.UNDOING:
        run = _in_turn(undo_batch, store, run, limit=store.reprice_batch)
        report(store.reprice_batch)
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
    limit = store.reprice_batch
    while batch := read_batch(store.engine, selection, last_id=last_id, end_id=end_id, limit=limit):
        yield batch
        last_id = batch[-1].id
