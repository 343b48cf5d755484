"""Customer prices in the ledger: immutable, dated, without overlap."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from spantoll.customers import CustomerPrice
from spantoll.errors import CustomerPriceError
from spantoll.pipeline.price_changes import add_rows
from spantoll.pricing.exchange import ExchangeRate
from spantoll.storage import Store, open_store
from spantoll.storage.customers import (
    add_customer_prices,
    end_customer_price,
    read_price_book,
)
from spantoll.storage.own_prices import EXCHANGE_RATES

DAY_NS = 86_400 * 10**9
MARKUP = CustomerPrice("markup", Decimal("0.3"), "acme", valid_from_ns=10 * DAY_NS)


@pytest.fixture
def store() -> Iterator[Store]:
    opened = open_store("memory:")
    yield opened
    opened.close()


def add(store: Store, *prices: CustomerPrice) -> list[CustomerPrice]:
    with store.transaction() as connection:
        return list(add_customer_prices(connection, prices, now_ns=1))


def read(store: Store) -> list[CustomerPrice]:
    with store.transaction() as connection:
        return list(read_price_book(connection).prices)


def test_rows_are_read_as_they_were_added(store: Store) -> None:
    added = add(
        store,
        MARKUP,
        CustomerPrice("fixed", Decimal("0.000004"), metric="input", currency="EUR", per=1_000),
        CustomerPrice("minimum", Decimal("12.50"), "acme", valid_to_ns=20 * DAY_NS),
    )

    assert read(store) == added
    assert [row.id for row in added] == [1, 2, 3]


def test_units_and_names_are_those_of_the_ledger(store: Store) -> None:
    add(
        store,
        CustomerPrice("fixed", Decimal("0.01"), provider="OpenAI", metric="audio_minutes"),
        CustomerPrice("included", Decimal(100), model=" GPT-4o ", metric="audio_minutes"),
    )

    minutes, included = read(store)

    assert (minutes.provider, minutes.metric, minutes.per) == ("openai", "audio_ms", 60_000)
    assert (included.model, included.metric) == ("gpt-4o", "audio_ms")
    assert included.amount == 6_000_000


def test_row_that_is_there_is_not_added_again(store: Store) -> None:
    add(store, MARKUP)

    assert add(store, MARKUP) == []
    assert len(read(store)) == 1


OVERLAPPING: dict[str, dict[str, Any]] = {
    "another amount": {"amount": Decimal("0.4")},
    "a later beginning": {"amount": Decimal("0.4"), "valid_from_ns": 30 * DAY_NS},
    "a fixed end after the beginning": {"amount": Decimal("0.4"), "valid_to_ns": 11 * DAY_NS},
}


@pytest.mark.parametrize("change", OVERLAPPING.values(), ids=OVERLAPPING)
def test_overlap_is_refused_with_both_rows_named(store: Store, change: dict[str, Any]) -> None:
    add(store, MARKUP)
    other = CustomerPrice("markup", Decimal("0.1"), "other")

    with pytest.raises(CustomerPriceError) as refused:
        add(store, other, MARKUP._replace(**change))

    assert "the new row: markup " in str(refused.value)
    assert "row 1: markup 30 %, customer acme, from 1970-01-11" in str(refused.value)
    assert len(read(store)) == 1


def test_rows_of_one_import_may_not_overlap_either(store: Store) -> None:
    with pytest.raises(CustomerPriceError, match="overlaps row 1"):
        add(store, MARKUP, MARKUP._replace(amount=Decimal("0.4")))

    assert read(store) == []


def test_markup_and_fixed_rate_of_one_unit_overlap(store: Store) -> None:
    fixed = CustomerPrice("fixed", Decimal(4), metric="input", per=1_000_000)

    with pytest.raises(CustomerPriceError, match="overlaps"):
        add(store, fixed, CustomerPrice("markup", Decimal("0.3"), metric="input_tokens"))


APART: dict[str, dict[str, Any]] = {
    "another customer": {"customer_id": "other"},
    "every customer": {"customer_id": "*"},
    "one model": {"model": "gpt-4o"},
    "one unit": {"metric": "input"},
    "before it": {"valid_from_ns": 0, "valid_to_ns": 10 * DAY_NS},
    "a discount on it": {"kind": "discount"},
    "another tenant": {"tenant_id": "other"},
}


@pytest.mark.parametrize("change", APART.values(), ids=APART)
def test_rows_that_answer_another_question_stand_side_by_side(
    store: Store, change: dict[str, Any]
) -> None:
    add(store, MARKUP, MARKUP._replace(**change))

    assert len(read(store)) == 2


def test_ended_row_makes_room_for_the_next(store: Store) -> None:
    add(store, MARKUP)
    with store.transaction() as connection:
        ended = end_customer_price(connection, 1, end_ns=20 * DAY_NS, now_ns=2)
    following = MARKUP._replace(amount=Decimal("0.4"), valid_from_ns=20 * DAY_NS)

    add(store, following)

    assert read(store) == [ended, following._replace(id=2)]
    assert ended.valid_to_ns == 20 * DAY_NS


def test_row_ended_where_it_began_never_holds_and_makes_room(store: Store) -> None:
    add(store, MARKUP)
    with store.transaction() as connection:
        withdrawn = end_customer_price(connection, 1, end_ns=10 * DAY_NS, now_ns=2)

    add(store, MARKUP._replace(valid_from_ns=0))

    assert not withdrawn.holds_at(10 * DAY_NS)
    assert len(read(store)) == 2


@pytest.mark.parametrize(
    ("number", "end_ns", "message"),
    [
        (9, 20 * DAY_NS, "there is no customer price 9"),
        (1, 9 * DAY_NS, "it begins after 1970-01-10"),
        (2, 20 * DAY_NS, "it has an end already"),
    ],
)
def test_row_is_ended_once_and_not_before_it_begins(
    store: Store, number: int, end_ns: int, message: str
) -> None:
    add(store, MARKUP, MARKUP._replace(customer_id="other", valid_to_ns=30 * DAY_NS))

    with pytest.raises(CustomerPriceError, match=message), store.transaction() as connection:
        end_customer_price(connection, number, end_ns=end_ns, now_ns=2)


REFUSED: dict[str, tuple[CustomerPrice, str]] = {
    "kind": (MARKUP._replace(kind="bonus"), "write one of markup, discount"),  # type: ignore[arg-type]  # wrong on purpose
    "negative": (MARKUP._replace(amount=Decimal(-1)), "not negative"),
    "not a number": (MARKUP._replace(amount=Decimal("NaN")), "write a number"),
    "unit": (MARKUP._replace(metric="inputs"), "metric 'inputs': write"),
    "precision": (MARKUP._replace(amount=Decimal("0.0000001")), "at most 4 decimals"),
    "discount of more than all": (MARKUP._replace(kind="discount", amount=Decimal(2)), "up to 100"),
    "fixed rate of no unit": (MARKUP._replace(kind="fixed"), "fixed is for a unit"),
    "included part of a unit": (
        CustomerPrice("included", Decimal("0.5"), metric="input"),
        "whole number",
    ),
    "minimum of a model": (MARKUP._replace(kind="minimum", model="gpt-4o"), "minimum charge"),
    "star inside a name": (MARKUP._replace(model="gpt*mini"), "only the last"),
    "currency": (MARKUP._replace(currency="euro"), "three letters"),
    "no units": (CustomerPrice("fixed", Decimal(1), metric="input", per=0), "above 0"),
    "end before start": (MARKUP._replace(valid_to_ns=DAY_NS), "not after valid_from"),
    "no customer": (MARKUP._replace(customer_id=" "), "customer_id"),
}


@pytest.mark.parametrize(("price", "message"), REFUSED.values(), ids=REFUSED)
def test_row_that_means_nothing_is_refused(
    store: Store, price: CustomerPrice, message: str
) -> None:
    with pytest.raises(CustomerPriceError, match=message):
        add(store, price)


def test_book_is_read_again_only_where_something_changed(store: Store) -> None:
    add(store, MARKUP)
    with store.transaction() as connection:
        first = read_price_book(connection)
        unchanged = read_price_book(connection, first)
        end_customer_price(connection, 1, end_ns=20 * DAY_NS, now_ns=2)
        ended = read_price_book(connection, first)

    assert unchanged is first
    assert ended.prices != first.prices


def test_fixed_rates_are_converted_at_the_exchange_rates_of_the_ledger(store: Store) -> None:
    add(store, CustomerPrice("fixed", Decimal(1), metric="input", currency="EUR"))
    with store.transaction() as connection:
        before = read_price_book(connection)

    rate = ExchangeRate("EUR", Decimal("1.1"), "1970-01-11")
    add_rows(store, EXCHANGE_RATES, [rate], now_ns=1)

    with store.transaction() as connection:
        book = read_price_book(connection, before)
    worth = [book.to_usd(Decimal(10), "EUR", time_ns=day * DAY_NS) for day in (9, 10)]
    assert worth == [None, Decimal(11)]
