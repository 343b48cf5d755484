"""The user's own price rows: what is read, refused, matched, and merged with the lists."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from spantoll.pricing import Priced, UnitPrice, Unpriced, UserPricing, load_rate_card
from spantoll.pricing.documents import read_document
from spantoll.pricing.exchange import read_exchange_rate
from spantoll.pricing.model_aliases import read_model_alias
from spantoll.pricing.own_prices import OwnPrice, read_own_price
from spantoll.pricing.shipped import PriceDataError
from spantoll.semconv.call import ModelCall

CallMaker = Callable[..., ModelCall]
Row = dict[str, Any]


def row(provider: str, model: str, metric: str, amount: str, **given: Any) -> OwnPrice:
    record = {"provider": provider, "model": model, "metric": metric, "amount": amount}
    return read_own_price({**record, "per": "1M", **given}, f"row of {metric}")


def cost(call: ModelCall, *rows: OwnPrice, **given: Any) -> tuple[int | None, str, str | None]:
    """Price a call by the lists and these rows: nano-USD, status and reason."""
    answer = load_rate_card(user=UserPricing(rows, **given)).price(call)
    if isinstance(answer, Unpriced):
        return None, "unpriced", answer.reason
    return answer.cost_nano, answer.status, answer.reason


UNITS = {
    "a million tokens": ("input", "2.5", "1M", UnitPrice("input", Decimal("2.5"), 1_000_000)),
    "a thousand tokens": ("input_tokens", "2.5", "1,000", UnitPrice("input", Decimal("2.5"), 1000)),
    "one token": ("output", "2.5", "1", UnitPrice("output", Decimal("2.5"), 1)),
    "a minute": ("audio_minutes", "1", "", UnitPrice("audio_ms", Decimal(1), 60_000)),
    "a second": ("video_ms", "1", "second", UnitPrice("video_ms", Decimal(1), 1_000)),
    "ten minutes": ("audio_minutes", "1", "10", UnitPrice("audio_ms", Decimal(1), 600_000)),
    "an hour": ("session_hours", "1", "", UnitPrice("session_ms", Decimal(1), 3_600_000)),
    "an image": ("images", "1", "", UnitPrice("images", Decimal(1), 1)),
    "an image by size and quality": (
        *("images quality=HD size=1024x1024", "1", "image"),
        UnitPrice("images size=1024x1024 quality=hd", Decimal(1), 1),
    ),
    "a request": ("requests", "1", "request", UnitPrice("requests", Decimal(1), 1)),
    "a character": ("characters", "1", "character", UnitPrice("characters", Decimal(1), 1)),
    "a thousand searches": ("web_searches", "1", "1k", UnitPrice("web_searches", Decimal(1), 1000)),
}


@pytest.mark.parametrize(("metric", "amount", "per", "price"), UNITS.values(), ids=UNITS)
def test_a_price_is_read_in_its_unit(metric: str, amount: str, per: str, price: UnitPrice) -> None:
    read = row("acme", "m", metric, amount, per=per)

    assert UnitPrice(read.metric, read.amount, read.per) == price


REFUSED: dict[str, tuple[Row, str]] = {
    "a float": ({"amount": 0.1}, "amount must be a decimal"),
    "a negative amount": ({"amount": "-1"}, "amount must be a decimal"),
    "no number": ({"amount": "NaN"}, "amount must be a decimal"),
    "an unbounded exponent": ({"amount": "1E-999999999"}, "amount must be a decimal"),
    "no unit": ({"per": ""}, "say what the amount is for"),
    "a unit of time for tokens": ({"per": "minute"}, "unknown unit 'minute'"),
    "tokens for a time": ({"metric": "audio_ms", "per": "1M"}, "per second, minute or hour"),
    "no unit at all": ({"per": "0"}, "unknown unit '0'"),
    "a metric nobody counts": ({"metric": "inputs"}, "unknown metric 'inputs'"),
    "a quality no price has": ({"metric": "images colour=red"}, "unknown quality 'colour'"),
    "a context nobody knows": ({"context": "night"}, "not a price context"),
    "a calendar nobody keeps": ({"context": "days=moon"}, "unknown calendar 'moon'"),
    "a day that is none": ({"valid_from": "2026-02-30"}, "'2026-02-30' is not a day"),
    "an end before the start": (
        {"valid_from": "2026-02-01", "valid_to": "2026-02-01"},
        "valid_to must be after valid_from",
    ),
    "a currency in words": ({"currency": "euro"}, "three letters"),
    "a star in a name": ({"model": "gpt-*"}, r"write `pattern:gpt-\*`"),
    "a pattern of everything": ({"model": "pattern:**"}, "must name a part"),
    "a prefix with a star": ({"model": "prefix:gpt-*"}, "without `\\*`"),
    "no model": ({"model": ""}, "model must be a name"),
    "a column spelled wrong": ({"valid_form": "2026-01-01"}, "unknown column 'valid_form'"),
}


@pytest.mark.parametrize(("wrong", "message"), REFUSED.values(), ids=REFUSED)
def test_a_row_that_cannot_be_right_is_refused_by_its_place(wrong: Row, message: str) -> None:
    record = {"provider": "acme", "model": "m", "metric": "input", "amount": "1", "per": "1M"}

    with pytest.raises(PriceDataError, match=message) as caught:
        read_own_price({**record, **wrong}, "prices.csv:7")

    assert str(caught.value).startswith("prices.csv:7: ")


OVERLAPS = {
    "both always": ({}, {}, True),
    "one from a day on": ({}, {"valid_from": "2026-01-01"}, True),
    "a period inside another": (
        {"valid_from": "2026-01-01", "valid_to": "2026-12-31"},
        {"valid_from": "2026-03-01", "valid_to": "2026-04-01"},
        True,
    ),
    "one after the other": ({"valid_to": "2026-01-01"}, {"valid_from": "2026-01-01"}, False),
    "an offset apart": (
        {"valid_to": "2026-01-01T00:00:00+00:00"},
        {"valid_from": "2026-01-01T00:00:00+01:00"},
        True,
    ),
    "of two contexts": ({}, {"context": "batch"}, False),
    "of two sizes": ({}, {"metric": "images size=1k", "per": "1"}, False),
    "of two currencies": ({}, {"currency": "EUR"}, True),
}


@pytest.mark.parametrize(("one", "other", "overlap"), OVERLAPS.values(), ids=OVERLAPS)
def test_two_rows_for_one_price_at_one_time_are_refused_with_both_named(
    one: Row, other: Row, overlap: bool
) -> None:
    record = {"provider": "acme", "model": "m", "metric": "images", "amount": "1", "per": "1"}
    rows = (
        read_own_price({**record, **one}, "a.csv:2"),
        read_own_price({**record, **other}, "b.csv:9"),
    )

    try:
        UserPricing(rows).check()
        refused = ""
    except PriceDataError as error:
        refused = str(error)

    assert ("a.csv:2" in refused and "b.csv:9" in refused and "overlap" in refused) == overlap


MATCHES = {
    "an exact name": ("acme", "house-1", "acme", "house-1", True),
    "an exact name in other letters": ("acme", "House-1", "acme", "HOUSE-1", True),
    "a version of an exact name": ("acme", "house-1", "acme", "house-1-2026-01-01", False),
    "a prefix itself": ("acme", "prefix:house-1", "acme", "house-1", True),
    "a dated version of a prefix": ("acme", "prefix:house-1", "acme", "house-1-2026-01-01", True),
    "another model that begins so": ("acme", "prefix:house-1", "acme", "house-1-mini", False),
    "a longer number that begins so": ("acme", "prefix:house-1", "acme", "house-10", False),
    "a name that is the word of a prefix": ("acme", "prefix", "acme", "prefix", True),
    "no prefix of everything": ("acme", "prefix", "acme", "-house", False),
    "a pattern": ("acme", "pattern:*-eu", "acme", "house-eu", True),
    "a pattern that ends before": ("acme", "pattern:*-eu", "acme", "house-eu-2", False),
    "another provider": ("acme", "house-1", "other", "house-1", False),
    "any provider": ("*", "house-1", "other", "house-1", True),
    "another spelling of a provider": ("azure-openai", "x", "azure.ai.openai", "x", True),
    "all providers of a price list": ("google", "x", "gcp.vertex_ai", "x", True),
    "both of Azure": ("azure", "x", "azure.ai.inference", "x", True),
}


@pytest.mark.parametrize(
    ("provider", "model", "called", "name", "matches"), MATCHES.values(), ids=MATCHES
)
def test_a_row_matches_names_at_version_boundaries(
    provider: str, model: str, called: str, name: str, matches: bool, make_call: CallMaker
) -> None:
    call = make_call(called, name, input_tokens=1_000, output_tokens=0)

    priced = cost(call, row(provider, model, "input", "7"), row(provider, model, "output", "7"))

    assert (priced == (7_000_000, "priced", None)) == matches


def test_the_most_specific_row_prices_each_metric(make_call: CallMaker) -> None:
    rows = (
        row("acme", "*", "input", "1"),
        row("*", "pattern:house*", "input", "2"),
        row("acme", "pattern:house*", "output", "3"),
        row("acme", "prefix:house", "input", "4"),
        row("acme", "house-2026-01-01", "input", "5"),
    )
    names = ("house-2026-01-01", "house-2026-02-02", "house-x", "else")

    costs = [
        cost(make_call("acme", name, input_tokens=1_000, output_tokens=1_000), *rows)
        for name in names
    ]

    assert costs == [
        (8_000_000, "priced", None),
        (7_000_000, "priced", None),
        (5_000_000, "priced", None),
        (
            *(1_000_000, "estimated"),
            "default price, the model has none of its own; no price for output_tokens",
        ),
    ]


def test_a_plain_row_does_not_hide_the_lists_batch_row(make_call: CallMaker) -> None:
    rows = (row("openai", "gpt-4.1", "input", "9"), row("openai", "gpt-4.1", "output", "9"))

    costs = [
        cost(make_call("openai", "gpt-4.1", input_tokens=1_000, output_tokens=0, batch=b), *rows)
        for b in (False, True)
    ]

    assert costs == [(9_000_000, "priced", None), (1_000_000, "priced", None)]


def test_a_row_of_a_context_holds_in_that_context_alone(make_call: CallMaker) -> None:
    rows = (
        row("openai", "gpt-4.1", "input", "0.5", context="batch"),
        row("openai", "gpt-4.1", "output", "3", context="batch"),
    )

    costs = [
        cost(make_call("openai", "gpt-4.1", input_tokens=1_000, output_tokens=0, batch=b), *rows)
        for b in (False, True)
    ]

    assert costs == [(2_000_000, "priced", None), (500_000, "priced", None)]


def test_what_a_row_does_not_price_keeps_its_list_price(make_call: CallMaker) -> None:
    call = make_call("openai", "gpt-4.1", input_tokens=1_000, output_tokens=1_000)

    priced = cost(call, row("openai", "gpt-4.1", "input", "1"))

    assert priced == (1_000_000 + 8_000_000, "priced", None)


def test_cached_input_beside_an_own_input_price_is_an_estimate(make_call: CallMaker) -> None:
    call = make_call(
        "openai", "gpt-4.1", input_tokens=2_000, cache_read_tokens=1_000, output_tokens=0
    )
    own = row("openai", "gpt-4.1", "input", "1"), row("openai", "gpt-4.1", "output", "1")

    unsaid = cost(call, *own)
    said = cost(call, *own, row("openai", "gpt-4.1", "cache_read", "0.1"))

    assert unsaid == (
        *(1_500_000, "estimated"),
        "list price of cache_read beside your own price of input",
    )
    assert said == (1_100_000, "priced", None)


@pytest.mark.parametrize("used", [{}, {"cache_read_tokens": 500}, {"requests": 3}], ids=str)
def test_zero_for_input_and_output_is_free_whatever_the_lists_say(
    used: dict[str, int], make_call: CallMaker
) -> None:
    call = make_call("openai", "gpt-4.1", input_tokens=1_000, output_tokens=1_000, **used)

    priced = cost(
        call, row("openai", "gpt-4.1", "input", "0"), row("openai", "gpt-4.1", "output", "0")
    )

    assert priced == (0, "free", None)


def test_zero_for_input_alone_gives_no_output_for_nothing(make_call: CallMaker) -> None:
    call = make_call("acme", "m", input_tokens=1_000, output_tokens=1_000)

    assert cost(call, row("acme", "m", "input", "0")) == (
        *(0, "partial"),
        "no price for output_tokens",
    )


def test_a_long_context_step_alone_leaves_shorter_requests_to_the_list(
    make_call: CallMaker,
) -> None:
    step = row("openai", "gpt-4.1", "input", "9", context="input_tokens>=100000")

    costs = [
        cost(make_call("openai", "gpt-4.1", input_tokens=tokens, output_tokens=0), step)
        for tokens in (99_999, 100_000)
    ]

    assert costs == [(199_998_000, "priced", None), (900_000_000, "priced", None)]


def test_a_default_price_is_an_estimate_and_does_not_hide_a_list_price(
    make_call: CallMaker,
) -> None:
    rows = (row("*", "*", "input", "9"), row("*", "*", "output", "9"))

    costs = [
        cost(make_call(provider, model, input_tokens=1_000, output_tokens=0), *rows)
        for provider, model in (("openai", "gpt-4.1"), ("acme", "m"))
    ]

    assert costs == [
        (2_000_000, "priced", None),
        (9_000_000, "estimated", "default price, the model has none of its own"),
    ]


def test_a_price_in_another_currency_changes_with_its_rate(make_call: CallMaker) -> None:
    rates = tuple(
        read_exchange_rate(
            {"currency": "EUR", "usd": usd, "valid_from": since, "valid_to": until}, since
        )
        for usd, since, until in (
            ("1.05", "", "2026-01-01"),
            ("1.10", "2026-01-01", "2026-07-01"),
            ("1.2", "2026-07-01", ""),
        )
    )
    price = row("acme", "m", "input", "0.3", currency="eur", valid_from="2026-02-01")
    days = ("2026-06-30T23:59:59", "2026-07-01")

    costs = [
        cost(
            make_call("acme", "m", at=at, input_tokens=1_000, output_tokens=0),
            price,
            exchange_rates=rates,
        )
        for at in days
    ]

    assert [nano for nano, _, _ in costs] == [330_000, 360_000]


def test_an_exchange_rate_of_nothing_is_refused() -> None:
    with pytest.raises(PriceDataError, match="usd must be more than 0"):
        read_exchange_rate({"currency": "EUR", "usd": "0"}, "rate")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param(
            {"metric": f"images quality={'h' * 60}", "per": "image"},
            "may have 64 and 254 characters",
            id="metric",
        ),
        pytest.param({"metric": "audio_ms", "per": "0"}, "is not priced per 0", id="no time"),
    ],
)
def test_a_row_that_no_column_or_unit_holds_is_refused(given: Row, message: str) -> None:
    record = {"provider": "acme", "model": "m", "metric": "input", "amount": "1", "per": "1M"}

    with pytest.raises(PriceDataError, match=message):
        read_own_price({**record, **given}, "row")


def test_cached_input_is_free_where_the_users_own_input_is(make_call: CallMaker) -> None:
    call = make_call(
        "openai", "gpt-4.1", input_tokens=1_000, cache_read_tokens=600, output_tokens=0
    )

    assert cost(call, row("openai", "gpt-4.1", "input", "0"))[0] == 0


@pytest.mark.parametrize(
    ("rates", "start"),
    [
        pytest.param([], "2026-01-01", id="none"),
        pytest.param([("2026-02-01", "")], "2026-01-01", id="later than the price"),
        pytest.param([("", "2026-03-01")], "2026-01-01", id="ends before the price"),
        pytest.param([("2026-01-01", "")], "", id="price without a start"),
    ],
)
def test_a_price_whose_currency_has_no_rate_for_all_its_time_is_refused(
    rates: list[tuple[str, str]], start: str
) -> None:
    known = tuple(
        read_exchange_rate(
            {"currency": "EUR", "usd": "1.1", "valid_from": since, "valid_to": until}, "rate"
        )
        for since, until in rates
    )
    price = row("acme", "m", "input", "1", currency="EUR", valid_from=start)

    with pytest.raises(PriceDataError, match="spantoll prices exchange EUR"):
        UserPricing((price,), known).check()


def test_a_card_that_adopts_another_prices_by_it_from_then_on(make_call: CallMaker) -> None:
    call = make_call("acme", "m", input_tokens=1_000, output_tokens=0)
    card = load_rate_card()
    before = card.price(call)

    card.adopt(load_rate_card(user=UserPricing((row("acme", "m", "input", "7"),))))
    after = card.price(call)

    assert isinstance(before, Unpriced)
    assert isinstance(after, Priced)
    assert after.cost_nano == 7_000_000


def test_a_card_is_identified_by_all_that_its_prices_depend_on() -> None:
    euro = {"currency": "EUR", "usd": "1.1"}
    price = row("acme", "m", "input", "1", currency="EUR")
    alias = {"provider": "acme", "model": "house", "to_model": "m"}
    listed = b'{"acme/m": {"litellm_provider": "acme", "input_cost_per_token": 1e-06}}'
    cards = [
        load_rate_card(),
        load_rate_card(user=UserPricing((price,), (read_exchange_rate(euro, ""),))),
        load_rate_card(
            user=UserPricing((price,), (read_exchange_rate({**euro, "usd": "1.2"}, ""),))
        ),
        load_rate_card(user=UserPricing(aliases=(read_model_alias(alias, ""),))),
        load_rate_card(documents=[read_document(listed, version="1", as_of="2026-11-21")]),
    ]

    assert len({card.fingerprint for card in cards}) == len(cards)
    assert load_rate_card().fingerprint == cards[0].fingerprint
