"""A record that does not hold all its price depended on keeps the context of its price row."""

from __future__ import annotations

from typing import Any

import pytest

from spantoll.pipeline.reprice import price_again
from spantoll.pricing import Priced, Rate, RateCard, load_rate_card
from spantoll.records import UsageRecord, to_call
from spantoll.records.build import PRICE_COLUMNS, price_columns
from tests.support.records import NOON_NS, make_record

CLAUDE = {"provider": "anthropic", "model": "claude-opus-4-6", "request_model": "claude-opus-4-6"}
TOKENS = {"input_tokens": 1_000_000, "output_tokens": 0}


@pytest.fixture(scope="module")
def card() -> RateCard:
    return load_rate_card()


def price(card: RateCard, **context: Any) -> tuple[UsageRecord, Rate]:
    """Make a record that is priced with a context, and the price row of it."""
    record = make_record(**CLAUDE, **TOKENS, **context)
    answer = card.price(to_call(record))
    assert isinstance(answer, Priced)
    assert answer.rate is not None
    columns = dict(zip(PRICE_COLUMNS, price_columns(answer), strict=True))
    priced = record._replace(**columns)  # type: ignore[arg-type]  # in the order of PRICE_COLUMNS
    return priced._replace(priced_ns=NOON_NS), answer.rate


def again(record: UsageRecord, card: RateCard, *rates: Rate) -> UsageRecord:
    known = {rate.rate_id: rate for rate in rates}
    return price_again(record, card, now_ns=NOON_NS, rates=known)[0]


@pytest.mark.parametrize(
    ("column", "value"), [("data_residency", "us"), ("speed_requested", "fast")]
)
def test_surcharge_of_a_context_that_is_not_stored_is_kept_as_an_estimate(
    card: RateCard, column: str, value: str
) -> None:
    full, rate = price(card, **{column: value})
    missing: dict[str, Any] = {column: None}
    old = full._replace(**missing)

    repriced = again(old, card, rate)

    assert repriced.cost_nano == full.cost_nano
    assert repriced.pricing_status == "estimated"
    assert f"{value} as the earlier price row says" in (repriced.pricing_reason or "")
    assert again(repriced, card, rate) is repriced


def test_context_that_is_stored_is_not_taken_from_the_earlier_row(card: RateCard) -> None:
    full, rate = price(card, data_residency="us")
    plain, _ = price(card, data_residency="global")

    repriced = again(full._replace(data_residency="global"), card, rate)

    assert (repriced.cost_nano, repriced.pricing_status) == (plain.cost_nano, "priced")


def test_same_prices_change_no_record_that_holds_its_context(card: RateCard) -> None:
    for context in ({}, {"data_residency": "us"}, {"speed_requested": "fast"}, {"batch": True}):
        record, rate = price(card, **context)

        assert again(record, card, rate) is record
