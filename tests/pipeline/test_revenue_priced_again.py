"""Stored calls are charged by today's customer prices when they are priced again."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update

from spantoll.customers import CustomerPrice
from spantoll.errors import RepriceError
from spantoll.pipeline import Ledger
from spantoll.pipeline.reprice_run import (
    preview_repricing,
    reprice_records,
    resume_run,
    undo_run,
)
from spantoll.pricing import Priced, RateCard, load_rate_card
from spantoll.records import UsageRecord, to_call
from spantoll.records.build import PRICE_COLUMNS, price_columns
from spantoll.storage import SqlStore, add_customer_prices, open_store
from spantoll.storage.customers import end_customer_price
from spantoll.storage.reprice import RunState, Selection
from spantoll.storage.tables import reprice_run
from tests.support.records import NOON_NS, make_record, stored_records

LATER_NS = NOON_NS + 1


@pytest.fixture(scope="module")
def card() -> RateCard:
    return load_rate_card()


@pytest.fixture
def store(card: RateCard) -> Iterator[SqlStore]:
    """A ledger with a priced call that nobody is charged for."""
    opened = open_store("memory:")
    assert isinstance(opened, SqlStore)
    call = make_record(
        customer_id="acme", request_model="gpt-4o", input_tokens=1_000, output_tokens=100
    )
    answer = card.price(to_call(call))
    assert isinstance(answer, Priced)
    assert answer.rate is not None
    columns = dict(zip(PRICE_COLUMNS, price_columns(answer), strict=True))
    priced = call._replace(**columns)  # type: ignore[arg-type]  # in the order of PRICE_COLUMNS
    Ledger(opened).write([priced], rates=[answer.rate])
    yield opened
    opened.close()


def read_call(store: SqlStore) -> UsageRecord:
    (record,) = stored_records(store.engine)
    return record


@pytest.mark.parametrize("metric", ["*", "input"])
def test_new_customer_price_charges_a_stored_call(
    store: SqlStore, card: RateCard, metric: str
) -> None:
    before = read_call(store)
    rows = [CustomerPrice("markup", Decimal("0.3"), metric=metric)]
    if metric != "*":
        rows.append(CustomerPrice("markup", Decimal("0.3"), metric="output"))
    with store.transaction() as connection:
        add_customer_prices(connection, rows, now_ns=1)

    shown = preview_repricing(
        store, card, Selection(), end_id=1, tz=ZoneInfo("UTC"), now_ns=LATER_NS
    )
    run = reprice_records(store, card, Selection(), end_id=1, by="test", now_ns=LATER_NS)
    after = read_call(store)
    undo_run(store, run.run_id, by="test", now_ns=LATER_NS)

    assert (shown.changed, run.changed) == (1, 1)
    assert before.cost_nano is not None
    assert after.revenue_nano == before.cost_nano * 13 // 10
    assert after.cost_nano == before.cost_nano
    assert read_call(store) == before


def test_same_customer_prices_change_nothing(store: SqlStore, card: RateCard) -> None:
    with store.transaction() as connection:
        add_customer_prices(connection, [CustomerPrice("markup", Decimal("0.3"))], now_ns=1)
    reprice_records(store, card, Selection(), end_id=1, by="test", now_ns=LATER_NS)

    again = reprice_records(store, card, Selection(), end_id=1, by="test", now_ns=LATER_NS)

    assert again.changed == 0


def test_run_does_not_go_on_with_other_customer_prices(store: SqlStore, card: RateCard) -> None:
    with store.transaction() as connection:
        add_customer_prices(connection, [CustomerPrice("markup", Decimal("0.3"))], now_ns=1)
    begun = reprice_records(store, card, Selection(), end_id=1, by="test", now_ns=LATER_NS)
    with store.transaction() as connection:
        unfinished = update(reprice_run).values(state=RunState.RUNNING, last_id=0)
        connection.execute(unfinished)
    resume_run(store, card, begun.run_id, by="eve", now_ns=LATER_NS)

    with store.transaction() as connection:
        connection.execute(unfinished)
        end_customer_price(connection, 1, end_ns=2, now_ns=2)
    with pytest.raises(RepriceError, match=r"what customers pay.*reprice undo 1"):
        resume_run(store, card, begun.run_id, by="eve", now_ns=LATER_NS)
