"""What customers are charged: amounts worked by hand, and the properties of every charge."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spantoll.customers import (
    CustomerPrice,
    PriceBook,
    charge_record,
    compute_revenue,
    normalise_price,
)
from spantoll.pricing.exchange import ExchangeRate
from spantoll.pricing.result import Rate, UnitPrice
from spantoll.records import UsageRecord
from tests.support.records import NOON_NS, make_record


def price(kind: Any, amount: str, **scope: Any) -> CustomerPrice:
    row = CustomerPrice(kind, Decimal(amount), **{"customer_id": "acme", **scope})
    return normalise_price(row)


def numbered(*prices: CustomerPrice, rates: tuple[ExchangeRate, ...] = ()) -> PriceBook:
    return PriceBook((row._replace(id=n) for n, row in enumerate(prices, start=1)), rates)


LIST = Rate(
    7,
    "openai",
    "gpt-4o",
    "",
    (
        UnitPrice("input", Decimal("2.50"), 1_000_000),
        UnitPrice("cache_read", Decimal("1.25"), 1_000_000),
        UnitPrice("output", Decimal("10"), 1_000_000),
    ),
    "",
    "",
    "catalogue",
    "",
)


@pytest.fixture
def call() -> UsageRecord:
    """A call of 800 fresh and 200 cached input tokens (2,250,000 nano) and 100 output tokens
    (1,000,000 nano)."""
    return make_record(
        customer_id="acme",
        input_tokens=1_000,
        cache_read_tokens=200,
        output_tokens=100,
        cost_nano=3_250_000,
        cost_source="catalogue",
        rate_id=7,
    )


CHARGES = {
    "a markup is added to the cost": ([price("markup", "0.3")], 4_225_000),
    "a markup of nothing passes the cost on": ([price("markup", "0")], 3_250_000),
    "a discount alone is taken off the cost": ([price("discount", "0.1")], 2_925_000),
    "a discount is taken off what the markup charges": (
        [price("markup", "0.3"), price("discount", "0.1", customer_id="*")],
        3_802_500,
    ),
    # 800 x 4,000 + 200 x 1,000 + 100 x 20,000
    "fixed rates price the call's own quantities": (
        [
            price("fixed", "4", metric="input_tokens", per=1_000_000),
            price("fixed", "1", metric="cached_tokens", per=1_000_000),
            price("fixed", "20", metric="output_tokens", per=1_000_000),
        ],
        5_400_000,
    ),
    # 1,000 x 4,000 + 100 x 20,000
    "cached input pays the input rate where it has none": (
        [
            price("fixed", "4", metric="input_tokens", per=1_000_000),
            price("fixed", "0.02", metric="output_tokens", per=1_000),
        ],
        6_000_000,
    ),
    # 800 x 4,000; cached 250,000 x 1.3; output 1,000,000 x 1.3
    "a fixed rate for one unit leaves the rest to the markup": (
        [price("fixed", "4", metric="input", per=1_000_000), price("markup", "0.3")],
        4_825_000,
    ),
    # input 2,000,000 and cached 250,000 x 1.1; output 1,000,000 x 1.5
    "a markup of one unit outranks the markup of all": (
        [price("markup", "0.1"), price("markup", "0.5", metric="output")],
        3_975_000,
    ),
    # output 1,000,000 x 0.5; input and cached 2,250,000
    "a discount may be for one unit": (
        [price("markup", "0"), price("discount", "0.5", metric="output")],
        2_750_000,
    ),
}


@pytest.mark.parametrize(("prices", "nano"), CHARGES.values(), ids=CHARGES)
def test_charge_is_the_amount_worked_by_hand(
    call: UsageRecord, prices: list[CustomerPrice], nano: int
) -> None:
    revenue = compute_revenue(call, numbered(*prices), rate=LIST)

    assert revenue.nano == nano
    assert sum(line.nano for line in revenue.lines) == nano


MOST_SPECIFIC = [
    price("markup", "0.01", customer_id="*"),
    price("markup", "0.02", customer_id="*", provider="openai"),
    price("markup", "0.03", customer_id="*", model="gpt*"),
    price("markup", "0.04", customer_id="*", model="gpt-4o*"),
    price("markup", "0.05", customer_id="*", model="gpt-4o"),
    price("markup", "0.06", customer_id="*", model="gpt-4o", provider="openai"),
    price("markup", "0.07"),
    price("markup", "0.08", provider="OpenAI"),
    price("markup", "0.09", model="gpt*"),
    price("markup", "0.10", model="GPT-4o"),
    price("markup", "0.11", model="gpt-4o", provider="openai"),
]
"""Every row matches the call; each outranks those above it."""


@pytest.mark.parametrize("last", range(1, len(MOST_SPECIFIC) + 1))
def test_most_specific_row_wins_in_any_order_of_entry(call: UsageRecord, last: int) -> None:
    entered = list(reversed(MOST_SPECIFIC[:last]))

    charged = charge_record(call, numbered(*entered), rate=LIST)

    assert charged.markup_ppm == last * 10_000
    assert charged.customer_price_id == 1


def test_requested_name_matches_after_the_name_of_the_response(call: UsageRecord) -> None:
    dated = call._replace(model="gpt-4o-2024-08-06", request_model="gpt-4o")
    requested, answered = price("markup", "0.1", model="gpt-4o"), "gpt-4o-2024-08-06"

    alone = charge_record(dated, numbered(requested), rate=LIST)
    both = charge_record(
        dated, numbered(requested, price("markup", "0.2", model=answered)), rate=LIST
    )

    assert (alone.markup_ppm, both.markup_ppm) == (100_000, 200_000)


@pytest.mark.parametrize(
    ("start_ns", "end_ns", "nano"),
    [
        (0, None, 6_500_000),
        (NOON_NS, NOON_NS + 1, 6_500_000),
        (NOON_NS + 1, None, None),
        (0, NOON_NS, None),
    ],
    ids=["always", "from its start", "later", "until its start"],
)
def test_row_holds_from_its_start_until_before_its_end(
    call: UsageRecord, start_ns: int, end_ns: int | None, nano: int | None
) -> None:
    row = price("markup", "1", valid_from_ns=start_ns, valid_to_ns=end_ns)

    assert compute_revenue(call, numbered(row), rate=LIST).nano == nano


FIXED_INPUT = price("fixed", "4", metric="input", per=1_000_000)
FIXED_OUTPUT = price("fixed", "4", metric="output", per=1_000_000)
BOTH = [FIXED_INPUT, FIXED_OUTPUT]
MARKUP = price("markup", "0.3")
UNPRICED: dict[str, Any] = {
    "cost_nano": None,
    "cost_source": None,
    "rate_id": None,
    "pricing_status": "unpriced",
}
UNKNOWN = {
    "call of nobody": ([MARKUP], {"customer_id": None}, "no customer"),
    "call of another customer": ([MARKUP], {"customer_id": "emca"}, "no customer price"),
    "markup of an unpriced call": ([MARKUP], UNPRICED, "no cost"),
    "markup of one unit of an unpriced call": (
        [price("markup", "0.3", metric="input")],
        UNPRICED,
        "no cost",
    ),
    "fixed rate of one unit of an unpriced call": (
        [FIXED_INPUT, MARKUP],
        UNPRICED,
        "no price for output_tokens",
    ),
    "unit without a row": (
        [price("markup", "0.3", metric="input")],
        {},
        "no customer price for cache_read",
    ),
    "markup of one unit of a cost reported as a whole": (
        [price("markup", "0.3", metric="input"), MARKUP],
        {"cost_source": "reported", "rate_id": None},
        "the cost is not known by metric",
    ),
    "usage that is not known": (
        BOTH,
        {"input_tokens": None, "output_tokens": None, "cache_read_tokens": None},
        "no usage",
    ),
    "output that is not known": (BOTH, {"output_tokens": None}, "output_tokens not reported"),
    "currency without a rate": (
        [FIXED_INPUT, FIXED_OUTPUT._replace(currency="EUR")],
        {},
        "no exchange rate of EUR",
    ),
    "charge beyond 64 bits": ([MARKUP], {"cost_nano": 2**63 - 1}, "out of range"),
}


@pytest.mark.parametrize(("prices", "given", "reason"), UNKNOWN.values(), ids=UNKNOWN)
def test_unknown_revenue_is_none_with_its_reason(
    call: UsageRecord, prices: list[CustomerPrice], given: dict[str, Any], reason: str
) -> None:
    record = call._replace(**given)
    rate = LIST if record.rate_id is not None else None

    charged = charge_record(record, numbered(*prices), rate=rate)

    assert charged.revenue_nano is None
    assert charged.customer_price_id is None
    assert charged.revenue_reason == reason


def test_fixed_rates_charge_an_unpriced_call(call: UsageRecord) -> None:
    charged = charge_record(call._replace(**UNPRICED), numbered(*BOTH), rate=None)

    assert charged.revenue_nano == 1_100 * 4_000
    assert charged.markup_ppm is None
    assert charged.revenue_reason == "customer price 1, customer price 2"


def test_refused_call_is_charged_nothing(call: UsageRecord) -> None:
    refused = call._replace(cost_nano=0, cost_source="none", rate_id=None, pricing_status="free")

    assert compute_revenue(refused, numbered(*BOTH), rate=None).nano == 0


def test_no_prices_leave_a_record_as_it_is(call: UsageRecord) -> None:
    assert charge_record(call, PriceBook(), rate=LIST) == call


def test_other_currency_is_converted_at_the_rate_of_the_day(call: UsageRecord) -> None:
    rates = (
        ExchangeRate("EUR", Decimal("1.20"), "2026-11-21"),
        ExchangeRate("EUR", Decimal("1.10"), "2026-11-20", "2026-11-21"),
        ExchangeRate("EUR", Decimal("0.90"), "", "2026-11-20"),
    )
    euros = [row._replace(currency="EUR") for row in BOTH]

    revenue = compute_revenue(call, numbered(*euros, rates=rates), rate=LIST)

    assert revenue.nano == 1_100 * 4_400


def test_discount_is_named_beside_the_markup(call: UsageRecord) -> None:
    charged = charge_record(call, numbered(MARKUP, price("discount", "0.1")), rate=LIST)

    assert (charged.markup_ppm, charged.customer_price_id) == (300_000, 1)
    assert charged.revenue_reason == "discount 2"


shares = st.integers(0, 1_000_000).map(lambda ppm: Decimal(ppm).scaleb(-6))


@given(st.integers(0, 2**52), shares, shares)
def test_charge_is_the_exact_amount_rounded_half_even_once(
    cost_nano: int, markup: Decimal, discount: Decimal
) -> None:
    record = make_record(customer_id="acme", cost_nano=cost_nano)
    book = numbered(
        MARKUP._replace(amount=markup), price("discount", "1")._replace(amount=discount)
    )

    revenue = compute_revenue(record, book, rate=None)

    exact = Decimal(cost_nano) * (1 + markup) * (1 - discount)
    assert revenue.nano == int(exact.to_integral_value())


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 10**7), shares)
def test_one_markup_charges_the_same_whether_by_unit_or_as_a_whole(
    fresh: int, cached: int, output: int, markup: Decimal
) -> None:
    record = make_record(
        customer_id="acme",
        input_tokens=fresh + cached,
        cache_read_tokens=cached,
        output_tokens=output,
        cost_nano=fresh * 2_500 + cached * 1_250 + output * 10_000,
    )
    whole = numbered(MARKUP._replace(amount=markup))
    by_unit = numbered(
        *(
            price("markup", "0", metric=metric)._replace(amount=markup)
            for metric in ("input", "cache_read", "output")
        )
    )

    difference = (compute_revenue(record, whole, rate=LIST).nano or 0) - (
        compute_revenue(record, by_unit, rate=LIST).nano or 0
    )

    assert abs(difference) <= 2  # each of three lines is rounded by at most half a nano-dollar
