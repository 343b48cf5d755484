"""Records get their revenue where they get their cost: when written, and when merged."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from spantoll.customers import CustomerPrice
from spantoll.pipeline import Ledger, make_settle
from spantoll.pipeline import ledger as ledger_module
from spantoll.pricing import Rate, RateCard, load_rate_card
from spantoll.pricing.result import UnitPrice
from spantoll.records import UsageRecord
from spantoll.storage import Store, open_store
from spantoll.storage.customers import add_customer_prices, end_customer_price
from tests.pipeline.calls import call, used
from tests.support.records import make_record, stored_records

LIST = Rate(7, "openai", "gpt-4o", "", (UnitPrice("input", Decimal(2), 10**6),), "", "", "user", "")
INPUT = {"input_tokens": 1_000, "output_tokens": 0, "cost_nano": 2_000_000, "rate_id": 7}


PRICED: dict[str, Any] = {
    "model": "gpt-4o",
    "provider": "openai",
    "pricing_status": "priced",
    "cost_source": "user",
    "cost_nano": 2_000_000,
    "rate_id": 7,
}


def nested_calls(*names: str, **given: str) -> list[UsageRecord]:
    """Make reports of one priced call, each the parent of the next."""
    return [
        call(
            name,
            n,
            20 - n,
            under=names[n - 1] if n else "",
            scope_name=name,
            **PRICED,
            **used(1_000, 0),
            **given,
        )
        for n, name in enumerate(names)
    ]


@pytest.fixture(scope="module")
def card() -> RateCard:
    return load_rate_card(
        [LIST._replace(prices=(*LIST.prices, UnitPrice("output", Decimal(0), 1)))]
    )


@pytest.fixture
def store() -> Iterator[Store]:
    opened = open_store("memory:")
    yield opened
    opened.close()


def set_markup(store: Store, markup: str, customer_id: str = "acme", metric: str = "*") -> None:
    row = CustomerPrice("markup", Decimal(markup), customer_id, metric=metric)
    with store.transaction() as connection:
        add_customer_prices(connection, [row], now_ns=1)


def revenues(store: Store) -> list[int | None]:
    return [record.revenue_nano for record in stored_records(store.engine)]


@pytest.mark.parametrize("metric", ["*", "input"])
def test_written_records_have_the_revenue_of_their_customer(store: Store, metric: str) -> None:
    set_markup(store, "0.3", metric=metric)
    records = [make_record(customer_id=name, **INPUT) for name in ("acme", "other", None)]

    Ledger(store).write(records, rates=[LIST])

    assert revenues(store) == [2_600_000, None, None]
    assert [each.revenue_reason for each in stored_records(store.engine)] == [
        None,
        "no customer price",
        "no customer",
    ]


def test_ledger_without_customer_prices_says_nothing_about_revenue(store: Store) -> None:
    Ledger(store).write([make_record(customer_id="acme")], rates=[])

    (record,) = stored_records(store.engine)
    assert (record.revenue_nano, record.revenue_reason) == (None, None)


def test_running_writer_takes_up_a_new_price(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "REFRESH_S", 0.0)
    ledger = Ledger(store)
    ledger.write([make_record(customer_id="acme")], rates=[])

    set_markup(store, "0.3")
    ledger.write([make_record(customer_id="acme")], rates=[])

    assert revenues(store) == [None, 1_300_000]


@pytest.mark.parametrize("apart", [False, True], ids=["one write", "two writes"])
@pytest.mark.parametrize("inner_first", [False, True])
def test_merged_call_is_charged_to_the_customer_of_the_outer_span(
    store: Store, card: RateCard, apart: bool, inner_first: bool
) -> None:
    set_markup(store, "0.3", metric="input")
    outer, inner = nested_calls("outer", "inner")
    outer = outer._replace(customer_id="acme")
    spans = [inner, outer] if inner_first else [outer, inner]
    writes: list[list[UsageRecord]] = [[span] for span in spans] if apart else [spans]
    ledger = Ledger(store, settle=make_settle(card))

    for records in writes:
        ledger.write(records, rates=[LIST])

    (billed,) = [record for record in stored_records(store.engine) if record.counted]
    assert billed.customer_id == "acme"
    assert (billed.cost_nano, billed.revenue_nano) == (2_000_000, 2_600_000)


@pytest.mark.parametrize("metric", ["*", "input"])
def test_customer_of_a_late_outer_span_is_charged(
    store: Store, card: RateCard, metric: str
) -> None:
    set_markup(store, "0.3", customer_id="first", metric=metric)
    set_markup(store, "0.5", customer_id="second", metric=metric)
    outer, middle, inner = nested_calls("outer", "middle", "inner")
    spans = [inner, middle._replace(customer_id="first"), outer._replace(customer_id="second")]

    for record in spans:
        Ledger(store, settle=make_settle(card)).write([record], rates=[LIST])

    (billed,) = [record for record in stored_records(store.engine) if record.counted]
    assert billed.customer_id == "second"
    assert (billed.cost_nano, billed.revenue_nano) == (2_000_000, 3_000_000)


def test_merged_call_keeps_its_revenue_until_it_is_priced_again(
    store: Store, card: RateCard
) -> None:
    set_markup(store, "0.3")
    records = nested_calls("outer", "middle", "inner", customer_id="acme")
    Ledger(store, settle=make_settle(card)).write(records[1:], rates=[LIST])
    with store.transaction() as connection:
        end_customer_price(connection, 1, end_ns=0, now_ns=2)
    set_markup(store, "0.9")

    Ledger(store, settle=make_settle(card)).write(records[:1], rates=[LIST])

    (billed,) = [record for record in stored_records(store.engine) if record.counted]
    assert billed.revenue_nano == 2_600_000
