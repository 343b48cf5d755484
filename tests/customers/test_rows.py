"""Customer prices as CSV, JSON, SQL and options give them: what is meant, or a refusal."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spantoll.customers import KINDS, CustomerPrice
from spantoll.customers.rows import parse_rows, read_row, read_rows, write_rows
from spantoll.errors import CustomerPriceError

DAY_NS = 86_400 * 10**9

SEED = """
INSERT INTO `customer_pricing` (`id`, `customer_id`, `markup_percent`) VALUES (1, 'customer1', 0.3);
INSERT INTO `customer_pricing` (`id`, `customer_id`, `markup_percent`) VALUES
  (2, 'customer2', 0.2), (3, 'it''s; (3)', 50);
"""


def parse_day(text: str) -> int:
    return int(datetime.fromisoformat(f"{text}T00:00:00+00:00").timestamp()) * 10**9


def read(markup_unit: Any = None, **row: Any) -> CustomerPrice:
    return read_row(row, parse_time=parse_day, markup_unit=markup_unit)


MARKUPS: dict[str, tuple[dict[str, Any], str]] = {
    "percent": ({"markup_percent": 30}, "0.3"),
    "fraction": ({"markup": "0.3"}, "0.3"),
    "both, agreeing": ({"markup": "0.003", "markup_percent": "0.3"}, "0.003"),
    "nothing": ({"markup_percent": 0}, "0"),
    "one percent": ({"markup_percent": 1}, "0.01"),
    "as much again": ({"markup": 1}, "1"),
    "fraction in the field of percents, said": (
        {"markup_percent": "0.3", "markup_unit": "fraction"},
        "0.3",
    ),
    "less than a percent, said": ({"markup_percent": "0.3", "markup_unit": "percent"}, "0.003"),
    "percent in the field of fractions, said": ({"markup": 30, "markup_unit": "percent"}, "0.3"),
    "thirtyfold, said": ({"markup": 30, "markup_unit": "fraction"}, "30"),
}


@pytest.mark.parametrize(("row", "amount"), MARKUPS.values(), ids=MARKUPS)
def test_markup_is_what_its_field_or_the_unit_says(row: dict[str, Any], amount: str) -> None:
    assert read(**row) == CustomerPrice("markup", Decimal(amount))


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "0.3 percent": ({"markup_percent": "0.3"}, r"0.3 is ambiguous: 0.3 % or 30 %\?"),
    "0.1 percent off": ({"discount_percent": "0.1"}, "ambiguous"),
    "a fraction of 30": ({"markup": "30"}, r"30 is ambiguous: 30 % or 3000 %\?"),
    "two that disagree": ({"markup": "0.3", "markup_percent": "3"}, "0.3 is not 3 percent"),
    "two kinds": ({"markup": "0.3", "minimum": "5"}, "found: minimum, markup"),
    "no amount": ({"customer": "acme"}, "found: none"),
    "unknown field": ({"mark_up": "0.3"}, "unknown field 'mark_up'; one of id, customer"),
    "a field twice": ({"customer": "a", "customer_id": "b", "markup": "0"}, "customer is given"),
    "no number": ({"minimum": "five"}, "minimum 'five' is not a number"),
    "infinite": ({"minimum": "Infinity"}, "not an amount"),
    "price without its quantity": (
        {"price": "4", "unit": "input_tokens"},
        "say what the amount is for",
    ),
}


@pytest.mark.parametrize(("row", "message"), REFUSED.values(), ids=REFUSED)
def test_row_that_may_mean_something_else_is_refused(row: dict[str, Any], message: str) -> None:
    with pytest.raises(CustomerPriceError, match=message):
        read(**row)


@pytest.mark.parametrize(
    ("per", "units"),
    [("1", 1), ("1k", 1_000), ("1,000", 1_000), ("1M", 1_000_000), (1_000_000, 1_000_000)],
)
def test_fixed_rate_says_for_how_many_units_it_is(per: Any, units: int) -> None:
    price = read(customer="acme", unit="input_tokens", price="2.5", per=per, currency="EUR")

    assert price == CustomerPrice(
        "fixed", Decimal("2.5"), "acme", metric="input", per=units, currency="EUR"
    )


def test_dates_are_read_in_the_callers_zone() -> None:
    price = read(minimum=5, valid_from="1970-01-02", valid_to="1970-01-03")

    assert (price.valid_from_ns, price.valid_to_ns) == (DAY_NS, 2 * DAY_NS)


def test_rows_of_a_table_customer_pricing_are_read_with_the_unit_said() -> None:
    rows = parse_rows(SEED)

    with pytest.raises(CustomerPriceError, match="row 1 of the file: markup_percent"):
        read_rows(rows, parse_time=parse_day)
    prices = read_rows(rows[:2], parse_time=parse_day, markup_unit="fraction")

    assert [(price.customer_id, price.amount) for price in prices] == [
        ("customer1", Decimal("0.3")),
        ("customer2", Decimal("0.2")),
    ]
    assert rows[2]["customer_id"] == "it's; (3)"


@pytest.mark.parametrize("text", ["[1]", "[", '[{"a": 1}', "a,b\n1,2"])
def test_text_without_rows_of_prices_is_refused(text: str) -> None:
    with pytest.raises(CustomerPriceError):
        read_rows(parse_rows(text), parse_time=parse_day)


shares = st.integers(1, 1_000_000).map(lambda ppm: Decimal(ppm).scaleb(-6))
names = st.sampled_from(["*", "a", "b c"])


@given(
    st.builds(
        CustomerPrice,
        kind=st.sampled_from(KINDS),
        amount=shares,
        customer_id=names,
        provider=names,
        model=names,
        metric=st.sampled_from(["input", "audio_ms"]),
        per=st.just(1),
        currency=st.just("USD"),
        id=st.none(),
        position=st.just(""),
        valid_from_ns=st.sampled_from([0, DAY_NS]),
        valid_to_ns=st.sampled_from([None, 2 * DAY_NS]),
        tenant_id=st.sampled_from(["default", "other"]),
    ),
    st.sampled_from([1, 1_000, 60_000, 1_000_000]),
    st.sampled_from(["USD", "EUR"]),
    st.booleans(),
)
def test_what_is_written_is_read_back(
    price: CustomerPrice, per: int, currency: str, as_json: bool
) -> None:
    if price.kind in ("fixed", "minimum"):
        price = price._replace(currency=currency, per=per if price.kind == "fixed" else 1)
    (row,) = write_rows([price])
    text = json.dumps([row]) if as_json else f"{','.join(row)}\n{','.join(row.values())}\n"

    (back,) = read_rows(parse_rows(text), parse_time=parse_day)

    assert back == price


def test_row_that_never_holds_is_not_written() -> None:
    withdrawn = CustomerPrice("markup", Decimal(0), valid_from_ns=DAY_NS, valid_to_ns=DAY_NS)

    assert write_rows([withdrawn]) == []
