"""The user's prices in every database: added and withdrawn, one change at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from spantoll.pipeline.price_changes import add_rows
from spantoll.pricing.exchange import read_exchange_rate
from spantoll.pricing.own_prices import OwnPrice, read_own_price
from spantoll.pricing.shipped import PriceDataError
from spantoll.storage import Store, read_stored_pricing
from spantoll.storage.own_prices import EXCHANGE_RATES, PRICES


def row(amount: str = "2.50", **given: str) -> OwnPrice:
    record = {"provider": "openai", "model": "gpt-4o", "metric": "input", "per": "1M"}
    return read_own_price({**record, "amount": amount, **given}, f"given {amount}")


def stored(store: Store) -> list[tuple[str, str, str]]:
    prices = read_stored_pricing(store.engine).pricing.prices
    return sorted((str(price.amount), price.valid_from, price.valid_to) for price in prices)


def test_a_row_comes_back_exactly(store: Store) -> None:
    given = read_own_price(
        {
            "provider": "*",
            "model": "pattern:Größe*",
            "metric": "images size=1024x1024 quality=hd",
            "amount": Decimal("0.000000000001"),
            "currency": "EUR",
            "context": "batch;service_tier=flex",
            "valid_from": "2026-01-01",
            "note": "says 'so'",
        },
        "given",
    )
    euro = read_exchange_rate({"currency": "EUR", "usd": "1.1"}, "rate")

    add_rows(store, EXCHANGE_RATES, [euro], replace=False, now_ns=1)
    add_rows(store, PRICES, [given], now_ns=2)

    pricing = read_stored_pricing(store.engine).pricing
    assert [price._replace(position="given") for price in pricing.prices] == [given]
    assert [rate._replace(position="rate") for rate in pricing.exchange_rates] == [euro]


def test_a_row_that_is_there_already_is_not_added_again(store: Store) -> None:
    add_rows(store, PRICES, [row()], now_ns=1)

    again = add_rows(store, PRICES, [row("2.5"), row("9", metric="output")], now_ns=2)

    assert (len(again.added), again.unchanged) == (1, 1)
    assert len(stored(store)) == 2


def test_an_overlap_is_refused_and_nothing_of_the_change_is_stored(store: Store) -> None:
    add_rows(store, PRICES, [row()], now_ns=1)

    with pytest.raises(PriceDataError, match=r"row 1 of the ledger and given 3 .*--replace"):
        add_rows(
            store, PRICES, [row("9", metric="output"), row("3", valid_from="2026-01-01")], now_ns=2
        )

    assert stored(store) == [("2.50", "", "")]


REPLACED = {
    "from a day on": (
        [row("3", valid_from="2026-06-01")],
        [("2.50", "", "2026-06-01"), ("3", "2026-06-01", "")],
    ),
    "always": ([row("3")], [("3", "", "")]),
    "for a month": (
        [row("3", valid_from="2026-06-01", valid_to="2026-07-01")],
        [("2.50", "", "2026-06-01"), ("2.50", "2026-07-01", ""), ("3", "2026-06-01", "2026-07-01")],
    ),
    "before a day": (
        [row("3", valid_to="2026-06-01")],
        [("2.50", "2026-06-01", ""), ("3", "", "2026-06-01")],
    ),
}


@pytest.mark.parametrize(("new", "expected"), REPLACED.values(), ids=REPLACED)
def test_a_replaced_row_keeps_the_time_no_other_row_takes(
    store: Store, new: list[OwnPrice], expected: list[tuple[str, str, str]]
) -> None:
    add_rows(store, PRICES, [row(), row("9", metric="output", valid_to="2020-01-01")], now_ns=1)

    add_rows(store, PRICES, new, replace=True, now_ns=2)

    assert stored(store) == sorted([*expected, ("9", "", "2020-01-01")])


def test_a_withdrawn_row_stays_in_the_ledger_with_its_time(store: Store) -> None:
    add_rows(store, PRICES, [row()], now_ns=1)

    add_rows(store, PRICES, [row("3")], replace=True, now_ns=2)

    rows = read_stored_pricing(store.engine).rows
    assert [(each.values["amount"], each.added_ns, each.withdrawn_ns) for each in rows] == [
        ("2.50", 1, 2),
        ("3", 2, None),
    ]


def test_of_changes_at_one_time_that_overlap_one_is_refused(store: Store) -> None:
    def add(amount: int) -> bool:
        try:
            add_rows(store, PRICES, [row(str(amount))], now_ns=amount)
        except PriceDataError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(add, range(1, 5)))

    assert sum(done) == 1
    assert len(stored(store)) == 1


def test_a_new_exchange_rate_ends_the_one_in_force(store: Store) -> None:
    first = read_exchange_rate({"currency": "EUR", "usd": "1.1"}, "first")
    second = read_exchange_rate(
        {"currency": "EUR", "usd": "1.2", "valid_from": "2026-06-01"}, "second"
    )
    add_rows(store, EXCHANGE_RATES, [first], replace=False, now_ns=1)

    with pytest.raises(PriceDataError, match="overlap"):
        add_rows(store, EXCHANGE_RATES, [second], replace=False, now_ns=2)
    add_rows(store, EXCHANGE_RATES, [second], replace=True, now_ns=3)

    rates = read_stored_pricing(store.engine).pricing.exchange_rates
    assert sorted((str(rate.usd), rate.valid_from, rate.valid_to) for rate in rates) == [
        ("1.1", "", "2026-06-01"),
        ("1.2", "2026-06-01", ""),
    ]
