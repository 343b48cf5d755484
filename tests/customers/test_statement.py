"""Statements of a period: usage, included quantities in order of time, and the minimum charge."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spantoll.customers import CustomerPrice, PriceBook, charge_record, normalise_price
from spantoll.customers.statement import Statement, join_statements, make_statement
from spantoll.errors import CustomerPriceError
from spantoll.pricing.exchange import ExchangeRate
from spantoll.pricing.result import Rate, UnitPrice
from spantoll.records import UsageRecord
from spantoll.storage import add_customer_prices, open_store
from spantoll.storage.customers_statement import read_statement
from tests.support.records import NOON_NS, make_record

MONTH = (NOON_NS, NOON_NS + 10**18)
PRICES = (UnitPrice("input", Decimal(2), 10**6), UnitPrice("output", Decimal(10), 10**6))
LIST = Rate(7, "openai", "gpt-4o", "", PRICES, "", "", "catalogue", "")
OUTPUT_NANO = 10_000


def price(kind: Any, amount: str, **scope: Any) -> CustomerPrice:
    row = CustomerPrice(kind, Decimal(amount), **{"customer_id": "acme", **scope})
    return normalise_price(row)


def make_book(*prices: CustomerPrice, rates: tuple[ExchangeRate, ...] = ()) -> PriceBook:
    return PriceBook((row._replace(id=n) for n, row in enumerate(prices, start=1)), rates)


def used(input_tokens: int, output_tokens: int = 0, **given: Any) -> UsageRecord:
    """Make a call at 2 USD and 10 USD for a million tokens."""
    cost = {"cost_nano": input_tokens * 2_000 + output_tokens * OUTPUT_NANO, "rate_id": 7}
    tokens = {"input_tokens": input_tokens, "output_tokens": output_tokens}
    return make_record(**{"customer_id": "acme", **tokens, **cost, **given})


def state(book: PriceBook, *calls: UsageRecord, **asked: Any) -> Statement:
    charged = [(charge_record(call, book, rate=LIST), LIST) for call in calls]
    period = dict(zip(("start_ns", "end_ns"), MONTH, strict=True))
    return make_statement(
        charged, book, **{"customer_id": "acme", "tenant_id": "default", **period, **asked}
    )


def lines(statement: Statement) -> list[tuple[str, int | None]]:
    return [(line.kind, line.revenue_nano) for line in statement.lines]


MARKUP = price("markup", "0.5")


def test_usage_is_a_line_for_each_model() -> None:
    statement = state(make_book(MARKUP), used(1_000), used(500, model="o3"), used(500, model="o3"))

    assert [(line.item, line.requests, line.revenue_nano) for line in statement.lines] == [
        ("openai gpt-4o", 1, 3_000_000),
        ("openai o3", 2, 3_000_000),
    ]
    assert (statement.total_nano, statement.cost_nano, statement.requests) == (
        6_000_000,
        4_000_000,
        3,
    )


def test_included_units_are_taken_off_in_order_of_time_until_used_up() -> None:
    book = make_book(MARKUP, price("included", "1500", metric="input_tokens"))

    # 1,000 x 3,000; then 500 of 2,000 x 3,000; then none; output is charged in full
    statement = state(book, used(1_000, 100), used(2_000), used(7))

    assert lines(statement) == [("usage", 10_521_000), ("included", -4_500_000)]
    assert statement.lines[1].quantity == 1_500
    assert statement.lines[1].item.startswith("row 2: included 1500 input a month")


def test_most_specific_included_quantity_is_used() -> None:
    book = make_book(
        MARKUP,
        price("included", "1000", metric="input"),
        price("included", "10", metric="input", model="o3"),
    )

    statement = state(book, used(500), used(500, model="o3"))

    credits = {line.quantity: line.revenue_nano for line in statement.lines if line.kind != "usage"}
    assert credits == {500: -1_500_000, 10: -30_000}


@pytest.mark.parametrize(
    ("minimum", "charge"),
    [("0.003", None), ("0.002", None), ("0.0030000001", None), ("0.01", 7_000_000)],
)
def test_minimum_charge_brings_the_total_up_to_it(minimum: str, charge: int | None) -> None:
    statement = state(make_book(MARKUP, price("minimum", minimum)), used(1_000))

    expected = [("usage", 3_000_000)] + ([("minimum", charge)] if charge else [])
    assert lines(statement) == expected


def test_minimum_charge_is_due_without_any_call() -> None:
    statement = state(make_book(price("minimum", "5", customer_id="*")))

    assert (statement.total_nano, statement.requests) == (5_000_000_000, 0)


def test_own_minimum_charge_outranks_that_of_every_customer() -> None:
    book = make_book(price("minimum", "5", customer_id="*"), price("minimum", "2"))

    assert state(book).total_nano == 2_000_000_000


def test_minimum_charge_holds_for_months_that_begin_in_it() -> None:
    late = price("minimum", "5", valid_from_ns=NOON_NS + 1)

    assert state(make_book(late)).lines == []


def test_minimum_charge_in_a_currency_without_a_rate_is_refused() -> None:
    with pytest.raises(CustomerPriceError, match="no exchange rate of EUR"):
        state(make_book(price("minimum", "5", currency="EUR")))


def test_included_units_count_towards_no_minimum() -> None:
    book = make_book(MARKUP, price("included", "1000", metric="input"), price("minimum", "0.002"))

    statement = state(book, used(1_000))

    assert lines(statement) == [
        ("usage", 3_000_000),
        ("included", -3_000_000),
        ("minimum", 2_000_000),
    ]


def test_what_is_not_known_is_said() -> None:
    book = make_book(MARKUP, price("included", "1000", metric="input"))
    unpriced = used(10, cost_nano=None, rate_id=None, pricing_status="unpriced")
    estimated = used(10, pricing_status="estimated")

    statement = state(book, used(10), unpriced, estimated)

    assert statement.unknown == {"no cost": 1}
    assert statement.doubtful_requests == 1


def test_charge_that_cannot_be_split_by_unit_keeps_the_included_quantity() -> None:
    book = make_book(MARKUP, price("included", "1000", metric="input"))
    reported = charge_record(used(10, rate_id=None, cost_source="reported"), book, rate=None)

    statement = make_statement(
        [(reported, None)], book, customer_id="acme", tenant_id="default", start_ns=0, end_ns=1
    )

    assert lines(statement) == [("usage", 30_000)]
    assert statement.unlisted_requests == 1


def test_revenue_of_other_prices_than_todays_is_said() -> None:
    book = make_book(MARKUP)
    before = used(10)._replace(revenue_nano=1)

    statement = make_statement(
        [(before, LIST)], book, customer_id="acme", tenant_id="default", start_ns=0, end_ns=1
    )

    assert (statement.total_nano, statement.outdated_requests) == (1, 1)


@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 100)), max_size=8),
    st.integers(1, 20_000),
    st.integers(0, 10**6),
)
def test_included_units_cost_nothing_and_never_more_than_they_were_charged(
    calls: list[tuple[int, int]], included: int, ppm: int
) -> None:
    markup = MARKUP._replace(amount=Decimal(ppm).scaleb(-6))
    book = make_book(markup, price("included", str(included), metric="input"))

    statement = state(book, *(used(*tokens) for tokens in calls))

    tokens, output = (sum(column) for column in zip(*calls, strict=True)) if calls else (0, 0)
    beyond = max(tokens - included, 0) * 2_000 + output * OUTPUT_NANO
    exact = beyond * (1 + Decimal(ppm).scaleb(-6))
    assert statement.total_nano is not None
    assert abs(statement.total_nano - exact) <= 3 * len(calls)
    assert statement.total_nano >= 0


EUR = ExchangeRate("EUR", Decimal("1.25"))
NEW_EUR = ExchangeRate("EUR", Decimal("1.5"), valid_from="2100-01-01")


def test_statement_in_another_currency_is_converted_at_the_rate_of_each_call() -> None:
    rates = (EUR._replace(valid_to="2100-01-01"), NEW_EUR)
    later_ns = 4_102_444_800 * 10**9
    calls = [used(1_000), used(1_000, started_ns=later_ns)]

    statement = state(make_book(MARKUP, rates=rates), *calls, currency="EUR")

    # 3,000,000 / 1.25 and 3,000,000 / 1.5; costs are two thirds of it
    assert lines(statement) == [("usage", 2_400_000 + 2_000_000)]
    assert (statement.currency, statement.cost_nano) == ("EUR", 1_600_000 + 1_333_333)


def test_fixed_rate_and_minimum_in_the_currency_of_the_statement_are_exact() -> None:
    thirds = ExchangeRate("EUR", Decimal("1.1"))
    book = make_book(
        price("fixed", "4", metric="input_tokens", per=10**6, currency="EUR"),
        price("included", "1000", metric="input_tokens"),
        price("minimum", "5", currency="EUR"),
        rates=(thirds,),
    )

    statement = state(book, used(10**6), currency="EUR")

    assert lines(statement) == [
        ("usage", 4_000_000_000),
        ("included", -4_000_000),
        ("minimum", 1_004_000_000),
    ]
    assert statement.total_nano == 5_000_000_000


def test_minimum_in_a_third_currency_is_converted_by_both_rates() -> None:
    pound = ExchangeRate("GBP", Decimal("1.5"))
    book = make_book(price("minimum", "5", currency="GBP"), rates=(EUR, pound))

    assert state(book, currency="EUR").total_nano == 6_000_000_000


def test_currency_without_a_rate_on_the_day_of_a_call_is_refused_with_the_command() -> None:
    with pytest.raises(CustomerPriceError, match=r"EUR on \S+: `spantoll prices exchange EUR USD"):
        state(make_book(MARKUP), used(1), currency="EUR")


def test_months_are_joined_with_their_own_allowances_and_minimums() -> None:
    book = make_book(MARKUP, price("included", "100", metric="input"), price("minimum", "0.001"))
    quiet = state(book, used(200))
    busy = state(book, used(1_100), used(100, model="o3", cost_nano=None, rate_id=None))

    joined = join_statements([("2026-10", quiet), ("2026-11", busy)])

    assert lines(joined) == [
        ("usage", 600_000 + 3_300_000),
        ("usage", None),
        ("included", -300_000),
        ("minimum", 700_000),
        ("included", -300_000),
    ]
    assert joined.lines[3].item.startswith("2026-10: row 3: minimum")
    assert joined.total_nano == (quiet.total_nano or 0) + (busy.total_nano or 0)
    assert (joined.requests, joined.unknown) == (3, {"no cost": 1})


@pytest.mark.parametrize("kind", ["included", "minimum"])
def test_price_of_a_month_is_refused_where_the_period_is_not_made_of_months(kind: str) -> None:
    monthly = price(kind, "5", **({"metric": "input"} if kind == "included" else {}))
    ended = monthly._replace(valid_to_ns=MONTH[0])

    with pytest.raises(CustomerPriceError, match=f"row 2: {kind} .* is for a calendar month"):
        state(make_book(MARKUP, monthly), is_month=False)
    assert state(make_book(MARKUP, ended), used(1), is_month=False).total_nano == 3_000


@pytest.fixture
def ledger() -> Iterator[Any]:
    store = open_store("memory:")
    yield store
    store.close()


def test_statement_is_of_the_counted_calls_of_one_customer_in_the_period(ledger: Any) -> None:
    with ledger.transaction() as connection:
        add_customer_prices(connection, [MARKUP], now_ns=1)
    ledger.add_rates([LIST])
    start_ns, end_ns = MONTH
    calls = [
        used(1_000, started_ns=start_ns),
        used(2_000, started_ns=end_ns - 1),
        used(4_000, started_ns=end_ns),
        used(8_000, started_ns=start_ns - 1),
        used(16_000, customer_id="other"),
        used(32_000, counted=False, counted_reason="repeats"),
        used(64_000, tenant_id="other"),
    ]
    ledger.write([charge_record(call, make_book(MARKUP), rate=LIST) for call in calls])

    statement = read_statement(ledger.engine, "acme", start_ns=start_ns, end_ns=end_ns)

    assert statement.total_nano == 9_000_000
    assert statement.outdated_requests == 0


@pytest.mark.parametrize(
    ("calls", "total", "cost", "lower_bound"),
    [
        ([], 0, 0, False),
        ([used(1_000)], 3_000_000, 2_000_000, False),
        ([used(1_000, cost_nano=None, pricing_status="unpriced")], None, None, False),
        (
            [used(1_000), used(1_000, cost_nano=None, pricing_status="unpriced", model="new")],
            *(3_000_000, 2_000_000, True),
        ),
    ],
    ids=["no calls", "all known", "nothing known", "a part known"],
)
def test_a_total_is_unknown_where_no_charge_is_known(
    calls: list[UsageRecord], total: int | None, cost: int | None, lower_bound: bool
) -> None:
    statement = state(make_book(MARKUP), *calls)

    assert (statement.total_nano, statement.cost_nano) == (total, cost)
    assert statement.lower_bound == lower_bound
    assert sum(statement.unknown.values()) == (total is None or lower_bound)
    assert statement.margin_nano == (None if total is None or cost is None else total - cost)


def test_months_of_which_nothing_is_known_have_no_total() -> None:
    unknown = used(1_000, cost_nano=None, pricing_status="unpriced")
    months = [state(make_book(MARKUP)), state(make_book(MARKUP), unknown)]

    joined = join_statements([("2026-10", months[0]), ("2026-11", months[1])])

    assert (joined.total_nano, joined.cost_nano) == (None, None)


def test_calls_without_a_known_cost_are_counted_for_they_are_missing_in_the_margin() -> None:
    fixed = price("fixed", "4", metric="input_tokens", per=1_000_000)
    unpriced: dict[str, Any] = {
        "cost_nano": None,
        "rate_id": None,
        "pricing_status": "unpriced",
    }

    month = state(
        make_book(fixed),
        used(100),
        used(100, pricing_status="partial"),
        used(100, **unpriced),
        used(100, model="new-model", **unpriced),
    )
    both = join_statements([("1", month), ("2", month)])

    assert [(line.requests, line.requests_without_cost) for line in month.lines] == [(3, 2), (1, 1)]
    assert (month.requests_without_cost, both.requests_without_cost) == (3, 6)
