"""Re-pricing on ClickHouse, cut after any of its statements, ends as one that was not cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Connection, event

from spantoll.pipeline.reprice_run import resume_run
from spantoll.storage import SqlStore, open_store
from spantoll.storage.adjustments import Adjustment, list_adjustments, sum_adjustments
from spantoll.storage.clickhouse import ClickhouseStore
from spantoll.storage.clickhouse.blocks import insert_columns
from spantoll.storage.reprice import Run, RunState, list_runs
from spantoll.storage.shared import settling
from tests.pipeline.calls import EPOCH_NS, SECOND, call, used
from tests.storage.conftest import rows
from tests.storage.test_closed_periods import close
from tests.storage.test_repricing import CHEAP, DEAR, NOW_NS, OPENAI, content, reprice, undo, write
from tests.support import clickhouse

RUN_STATEMENTS = 10
"""INSERTs of a run of two batches: its row; notes, position and records; notes, position,
adjustment and what its record should be; the last position and the end."""
UNDO_STATEMENTS = 7


def cut_after(last: int, *, quick: int = 0) -> list[Any]:
    """List the numbers of statements to cut after; `make test` runs `quick`."""
    marks = pytest.mark.soak
    return [pytest.param(n, marks=() if n == quick else marks) for n in range(1, last)]


class Killed(BaseException):
    """Ends a process where a kill would."""


@contextmanager
def open_ledger(server: clickhouse.Server) -> Iterator[ClickhouseStore]:
    """Open a ledger of three calls at cheap prices, of which a run takes two at a time.

    The third is of a closed period.
    """
    url = server.make_database()
    store = open_store(url)
    assert isinstance(store, ClickhouseStore)
    store.reprice_batch = 2  # type: ignore[misc]  # of the class for all other stores
    starts = {"a": 0, "b": 20, "c": -100}
    write(
        store,
        CHEAP,
        [
            call(name, at, at + 10, trace=name, under="up", **OPENAI, **used(10, at + 200))
            for name, at in starts.items()
        ],
    )
    close(store, EPOCH_NS - 200 * SECOND, EPOCH_NS - 50 * SECOND)
    yield store
    store.close()
    server.drop_database(url)


@pytest.fixture
def ledger_store(clickhouse_server: clickhouse.Server) -> Iterator[ClickhouseStore]:
    with open_ledger(clickhouse_server) as store:
        yield store


class Priced(NamedTuple):
    """A ledger that each test leaves at cheap prices, and what a whole run makes of it."""

    store: ClickhouseStore
    before: list[tuple[Any, ...]]
    run: Run
    after: list[tuple[Any, ...]]
    adjusted_nano: int
    """What the run adjusts the closed period by."""


@pytest.fixture(scope="module")
def priced(clickhouse_server: clickhouse.Server) -> Iterator[Priced]:
    with open_ledger(clickhouse_server) as store:
        before = content(store)
        run = reprice(store, DEAR)
        after, adjusted = content(store), sum_adjustments(store.engine)
        undo(store, run)
        yield Priced(store, before, run, after, adjusted.cost_nano)


@contextmanager
def counting_inserts(store: ClickhouseStore, kill_after: int = -1) -> Iterator[Callable[[], int]]:
    """Count the statements that write, and raise Killed after so many."""
    done = 0

    def count(*given: Any) -> None:
        nonlocal done
        done += given[2].startswith("INSERT")
        if done == kill_after:
            raise Killed

    def insert_block(connection: Connection, table: str, *given: Any) -> None:
        insert_columns(connection, table, *given)
        if table != settling.name:
            count(None, None, "INSERT")

    event.listen(store._writer, "after_cursor_execute", count)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("spantoll.storage.clickhouse.insert_columns", insert_block)
            yield lambda: done
    finally:
        event.remove(store._writer, "after_cursor_execute", count)


def newest_run(store: SqlStore) -> Run:
    return list_runs(store.engine)[0]


def summary(run: Run) -> tuple[Any, ...]:
    """Return what a run and the same run that was cut have in common."""
    return run.state, run.examined, run.changed, run.old_cost_nano, run.new_cost_nano, run.kept


def list_booked(priced: Priced, run: Run) -> list[Adjustment]:
    """List what a run and its undoing have booked."""
    return [each for each in list_adjustments(priced.store.engine) if each.run_id == run.run_id]


def resume(store: SqlStore) -> Run:
    return resume_run(store, DEAR, newest_run(store).run_id, by="eve", now_ns=NOW_NS)


def test_a_run_and_its_undo_have_as_many_statements_as_are_cut_here(priced: Priced) -> None:
    with counting_inserts(priced.store) as run_statements:
        run = reprice(priced.store, DEAR)
    with counting_inserts(priced.store) as undo_statements:
        undo(priced.store, run)

    assert (run_statements(), undo_statements()) == (RUN_STATEMENTS, UNDO_STATEMENTS)
    assert content(priced.store) == priced.before


@pytest.mark.parametrize("statements", cut_after(RUN_STATEMENTS, quick=3))
def test_a_run_that_is_cut_and_resumed_is_one_that_was_not_cut(
    priced: Priced, statements: int
) -> None:
    with counting_inserts(priced.store, statements), pytest.raises(Killed):
        reprice(priced.store, DEAR)

    run = resume(priced.store)

    assert content(priced.store) == priced.after
    assert summary(run) == summary(priced.run)
    assert [each.cost_nano for each in list_booked(priced, run)] == [priced.adjusted_nano]
    assert undo(priced.store, run).kept == 0
    assert content(priced.store) == priced.before
    assert sum_adjustments(priced.store.engine).cost_nano == 0


@pytest.mark.parametrize("statements", cut_after(RUN_STATEMENTS))
def test_a_run_that_is_cut_can_be_undone(priced: Priced, statements: int) -> None:
    with counting_inserts(priced.store, statements), pytest.raises(Killed):
        reprice(priced.store, DEAR)

    undone = undo(priced.store, newest_run(priced.store))

    assert content(priced.store) == priced.before
    assert sum_adjustments(priced.store.engine).cost_nano == 0
    assert (undone.state, undone.kept) == (RunState.UNDONE, 0)


@pytest.mark.parametrize("statements", cut_after(UNDO_STATEMENTS, quick=2))
def test_an_undo_that_is_cut_goes_on(priced: Priced, statements: int) -> None:
    run = reprice(priced.store, DEAR)
    with counting_inserts(priced.store, statements), pytest.raises(Killed):
        undo(priced.store, run)

    undone = resume(priced.store)

    assert content(priced.store) == priced.before
    entries = [each.cost_nano for each in list_booked(priced, run)]
    assert entries == [priced.adjusted_nano, -priced.adjusted_nano]
    assert (undone.state, undone.kept) == (RunState.UNDONE, 0)


def test_a_record_that_is_settled_before_its_cut_run_goes_on_is_priced_anew(
    ledger_store: ClickhouseStore,
) -> None:
    # Rate, notes and position of the first batch are stored, and none of its records is changed.
    with counting_inserts(ledger_store, 4), pytest.raises(Killed):
        reprice(ledger_store, DEAR)
    outer = {"trace": "a", "scope_name": "framework", "region": "eu-west-1"}
    write(ledger_store, CHEAP, [call("up", 0, 10, **outer, **OPENAI, **used(10, 200))])

    run = resume(ledger_store)

    first = rows(ledger_store)[0]
    assert (first.region, first.cost_nano) == ("eu-west-1", 2_100_000)
    assert (run.state, run.examined, run.changed) == (RunState.FINISHED, 3, 3)
    assert undo(ledger_store, run).kept == 0
    assert rows(ledger_store)[0].cost_nano == 210_000
