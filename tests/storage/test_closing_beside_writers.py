"""A period is closed while another connection stores a span of it, each held before its commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from threading import Event
from typing import Any, TypeVar

import pytest
from sqlalchemy import Engine, event

from spantoll.pipeline.settle import make_settle
from spantoll.records import UsageRecord
from spantoll.storage import SqlStore, Store, open_store
from spantoll.storage.adjustments import Cause, list_adjustments
from spantoll.storage.periods import close_period
from tests.pipeline.calls import EPOCH_NS, SECOND, call, used
from tests.storage.conftest import BACKENDS, Backend, rows
from tests.storage.test_repricing import CHEAP, OPENAI, priced

T = TypeVar("T")
U = TypeVar("U")

HOUR_NS = 3_600 * SECOND
ANSWER_S = 20
"""Longer than any step takes."""
WITHOUT_LOCK_S = 0.3
"""As long as the other connection would need if it did not wait."""


@pytest.fixture(params=[each for each in BACKENDS if each.lasts], ids=lambda each: each.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    found: Backend = request.param
    return found


@pytest.fixture
def stores(url: str, store: Store) -> Iterator[tuple[SqlStore, SqlStore]]:
    """A store that writes and one that closes."""
    other = open_store(url)
    assert isinstance(store, SqlStore)
    assert isinstance(other, SqlStore)
    yield store, other
    other.close()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(max_workers=2) as pool:
        yield pool


READS_PERIODS = ("after_cursor_execute", "SELECT closed_period.")
ADDS_PERIOD = ("before_cursor_execute", "INSERT INTO closed_period")
"""Event of SQLAlchemy, and the beginning of the statement."""


class Hold:
    """Blocks the first thread that executes a statement, until `released` is set."""

    def __init__(self, beginning: str) -> None:
        self.reached = Event()
        self.released = Event()
        self._beginning = beginning

    def see_statement(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        is_held = statement.replace("`", "").startswith(self._beginning)
        if is_held and not self.reached.is_set():
            self.reached.set()
            self.released.wait(ANSWER_S)


@contextmanager
def holding(step: tuple[str, str]) -> Iterator[Hold]:
    when, beginning = step
    hold = Hold(beginning)
    event.listen(Engine, when, hold.see_statement)
    try:
        yield hold
    finally:
        hold.released.set()
        event.remove(Engine, when, hold.see_statement)


def write_call(store: SqlStore) -> None:
    record = priced(CHEAP, call("a", **OPENAI, **used(1_000_000, 0)))
    store.write([record], settle=make_settle(CHEAP))


def close_and_read(store: SqlStore) -> list[UsageRecord]:
    """Close the period of the call; return the counted records that are seen after that."""
    start_ns, end_ns = EPOCH_NS - HOUR_NS, EPOCH_NS + HOUR_NS
    close_period(
        store, "2026-11", tz="UTC", start_ns=start_ns, end_ns=end_ns, by="ann", now_ns=end_ns
    )
    return counted(store)


def counted(store: SqlStore) -> list[UsageRecord]:
    return [record for record in rows(store) if record.counted]


def overlap(
    threads: ThreadPoolExecutor,
    step: tuple[str, str],
    first: Callable[[], T],
    second: Callable[[], U],
) -> tuple[T, U]:
    """Block `first` at a step while `second` runs, as far as no lock stops it; return both."""
    with holding(step) as hold:
        begun = threads.submit(first)
        assert hold.reached.wait(ANSWER_S)
        other = threads.submit(second)
        wait([other], WITHOUT_LOCK_S)
        hold.released.set()
        return begun.result(ANSWER_S), other.result(ANSWER_S)


def test_a_period_is_closed_after_the_spans_being_stored(
    stores: tuple[SqlStore, SqlStore], threads: ThreadPoolExecutor
) -> None:
    writing, closing = stores

    _, found = overlap(
        threads, READS_PERIODS, partial(write_call, writing), partial(close_and_read, closing)
    )

    assert len(found) == 1
    assert found == counted(writing)
    assert list_adjustments(writing.engine) == []


def test_a_span_that_is_stored_while_its_period_is_closed_is_booked(
    stores: tuple[SqlStore, SqlStore], threads: ThreadPoolExecutor
) -> None:
    writing, closing = stores

    found, _ = overlap(
        threads, ADDS_PERIOD, partial(close_and_read, closing), partial(write_call, writing)
    )

    assert found == counted(writing) == []
    assert [entry.cause for entry in list_adjustments(writing.engine)] == [Cause.LATE_RECORD]
