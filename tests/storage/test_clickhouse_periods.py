"""Late spans of a closed period on ClickHouse, cut after any statement of their write."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from spantoll.pipeline import Ledger, make_settle
from spantoll.records import UsageRecord
from spantoll.storage import open_store
from spantoll.storage.adjustments import list_adjustments
from spantoll.storage.clickhouse import ClickhouseStore
from spantoll.storage.shared import read_unsettled
from tests.pipeline.calls import call, used
from tests.storage.test_clickhouse_repricing import Killed, counting_inserts, cut_after
from tests.storage.test_closed_periods import adjusted_sums, close, counted_sums
from tests.storage.test_repricing import CHEAP, OPENAI, content, write
from tests.support import clickhouse

WRITE_STATEMENTS = 6
"""INSERTs of the write: the note and the records, their adjustments, those of what they are merged
with and what these should be, and the note again, as deleted."""

MILLION = used(1_000_000, 0)


@pytest.fixture
def closed_ledger(clickhouse_server: clickhouse.Server) -> Iterator[ClickhouseStore]:
    """A ledger of one call, whose period is closed."""
    url = clickhouse_server.make_database()
    store = open_store(url)
    assert isinstance(store, ClickhouseStore)
    write(store, CHEAP, [call("inner", 1, 9, under="outer", user_id="ann", **OPENAI, **MILLION)])
    close(store)
    yield store
    store.close()
    clickhouse_server.drop_database(url)


def late_spans() -> list[UsageRecord]:
    """Make a second report of the call, which names its customer, and a call of its own."""
    named = {"customer_id": "acme", "scope_name": "framework"}
    outer = call("outer", 0, 10, **named, **OPENAI, **MILLION)
    return [outer, call("other", trace="other", **OPENAI, **used(2_000_000, 0))]


def sum_by_customer(store: ClickhouseStore) -> dict[str | None, tuple[int, int]]:
    """Add up the requests and costs that are booked: a repair may book back and forth."""
    sums: dict[str | None, tuple[int, int]] = {}
    for entry in list_adjustments(store.engine):
        requests, nano = sums.get(entry.customer_id, (0, 0))
        sums[entry.customer_id] = requests + (entry.requests or 0), nano + (entry.cost_nano or 0)
    return sums


RIGHT_SUMS = {None: (0, 10**9), "acme": (1, 10**9)}
"""The call goes to the customer that it names now, and the other one joins those without."""


@pytest.mark.parametrize("statements", cut_after(WRITE_STATEMENTS, quick=4))
def test_late_spans_whose_write_is_cut_are_booked_once(
    closed_ledger: ClickhouseStore, statements: int
) -> None:
    before = content(closed_ledger)
    with counting_inserts(closed_ledger, statements), pytest.raises(Killed):
        write(closed_ledger, CHEAP, late_spans())
    sums_when_cut = counted_sums(closed_ledger)

    write(closed_ledger, CHEAP, late_spans())
    Ledger(closed_ledger, settle=make_settle(CHEAP)).settle_pending()

    assert sums_when_cut == counted_sums(closed_ledger) == (1, 10**9)
    assert adjusted_sums(closed_ledger) == (2, 3 * 10**9)
    assert sum_by_customer(closed_ledger) == RIGHT_SUMS
    assert len(content(closed_ledger)) == len(before) + 2
    assert read_unsettled(closed_ledger.engine) is None


@pytest.mark.soak
def test_a_write_has_as_many_statements_as_are_cut_here(closed_ledger: ClickhouseStore) -> None:
    with counting_inserts(closed_ledger) as statements:
        write(closed_ledger, CHEAP, late_spans())

    assert statements() == WRITE_STATEMENTS
    assert sum_by_customer(closed_ledger) == RIGHT_SUMS
