"""Exact money: rounding, quantities, and the properties any bill has."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spantoll.pricing import Priced, Rate, RateCard, UnitPrice, Unpriced
from spantoll.pricing.arithmetic import compile_row, half_even, is_quantity, line_nano, nano_usd
from spantoll.pricing.shipped import load_rows
from spantoll.pricing.table import RateTable
from spantoll.pricing.tariff import make_rate
from spantoll.semconv.call import ModelCall, Usage

CallMaker = Callable[..., ModelCall]

TOKEN_METRICS = (
    "input",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "input_audio",
    "input_image",
    "output",
    "reasoning",
    "output_audio",
    "output_image",
)
AMOUNTS = st.decimals(min_value=0, max_value=10_000, places=9)
TOKENS = st.none() | st.integers(0, 10**9)
PER = st.sampled_from([1, 1_000, 1_000_000, 3_600_000])
ANYTHING = st.none() | st.integers(-(2**63), 2**63 - 1)
PRECISE = Context(prec=400, rounding=ROUND_HALF_EVEN)


@st.composite
def rates(draw: st.DrawFn) -> Rate:
    metrics = draw(st.sets(st.sampled_from([*TOKEN_METRICS, "requests", "images"]), min_size=1))
    return make_rate(
        "acme",
        "m",
        [
            UnitPrice(
                metric, draw(AMOUNTS), draw(st.sampled_from([1, 1_000, 1_000_000, 3_600_000]))
            )
            for metric in sorted(metrics)
        ],
        source="user",
    )


def card_of(*given_rates: Rate) -> RateCard:
    table = RateTable(given_rates, source="user")
    return RateCard([table], price_set=table.price_set)


@given(numerator=st.integers(-(10**30), 10**30), denominator=st.integers(1, 10**18))
def test_division_rounds_half_to_even(numerator: int, denominator: int) -> None:
    expected = round(Fraction(numerator, denominator))

    assert half_even(numerator, denominator) == expected


@pytest.mark.parametrize(
    ("numerator", "rounded"), [(1, 0), (3, 2), (5, 2), (7, 4), (-1, 0), (-3, -2)]
)
def test_a_half_goes_to_the_even_neighbour(numerator: int, rounded: int) -> None:
    assert half_even(numerator, 2) == rounded


@given(
    amount=AMOUNTS,
    per=PER,
    quantity=st.integers(0, 10**12) | st.decimals(0, 10**9, places=6),
)
def test_a_line_is_the_decimal_product_rounded_once(
    amount: Decimal, per: int, quantity: int | Decimal
) -> None:
    rate = make_rate("acme", "m", [UnitPrice("input", amount, per)], source="user")
    price = compile_row(rate).input
    assert price is not None

    nano = line_nano(price, quantity)

    product = PRECISE.multiply(PRECISE.multiply(Decimal(quantity), amount), Decimal(10**9))
    expected = PRECISE.divide(product, Decimal(per)).quantize(Decimal(1), context=PRECISE)
    assert (nano, type(nano)) == (int(expected), int)


@given(amount=st.decimals(-(10**12), 10**12, places=15))
def test_an_amount_becomes_nano_usd_rounded_half_to_even(amount: Decimal) -> None:
    assert nano_usd(amount) == round(Fraction(amount) * 10**9)


@pytest.mark.parametrize("text", ["NaN", "sNaN", "Infinity", "-Infinity", "1E+30", "1E+999999999"])
def test_what_is_no_amount_is_not_converted(text: str) -> None:
    assert nano_usd(Decimal(text)) is None


@pytest.mark.parametrize(
    ("quantity", "usable"),
    [
        (7, True),
        (Decimal("0.5"), True),
        (Decimal("1E-18"), True),
        (Decimal("1E-19"), False),
        (Decimal("1E-999999999"), False),
        (Decimal("1E+999999999"), False),
        (Decimal("NaN"), False),
    ],
)
def test_only_a_number_of_units_is_a_quantity(quantity: int | Decimal, usable: bool) -> None:
    assert is_quantity(quantity) is usable


@given(rate=rates(), data=st.data())
def test_the_lines_add_up_to_the_cost_in_whole_numbers(
    rate: Rate, data: st.DataObject, make_call: CallMaker
) -> None:
    counters = {name: data.draw(TOKENS) for name in Usage._fields[:14]}
    call = make_call("acme", "m", **counters)
    card = card_of(rate)

    answer = card.price(call)

    if isinstance(answer, Unpriced):
        assert answer.reason in {"no_usage", "no_price_for_units", "out_of_range"}
        return
    amounts = (answer.input_nano, answer.output_nano, answer.cache_nano, answer.other_nano)
    assert sum(line.nano for line in card.lines(call, rate)) == answer.cost_nano == sum(amounts)
    assert {type(amount) for amount in (answer.cost_nano, *amounts)} == {int}


@given(rate=rates(), data=st.data())
def test_any_counters_at_all_get_an_answer_that_is_not_negative(
    rate: Rate, data: st.DataObject, make_call: CallMaker
) -> None:
    counters: dict[str, Any] = {name: data.draw(ANYTHING) for name in Usage._fields[:14]}
    operation = data.draw(st.sampled_from([None, "chat", "image_generation", "transcription"]))
    status = data.draw(st.sampled_from(["success", "error", "timeout", "cancelled"]))
    call = make_call("acme", "m", operation=operation, status=status, **counters)

    answer = card_of(rate).price(call)

    assert isinstance(answer, Unpriced) or 0 <= answer.cost_nano < 2**63


def parts_within(total: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, total), min_size=4, max_size=4).filter(
        lambda parts: sum(parts) <= total
    )


@given(data=st.data(), total_in=st.integers(0, 10_000), total_out=st.integers(0, 10_000))
def test_every_token_is_priced_exactly_once_however_it_is_parted(
    data: st.DataObject, total_in: int, total_out: int, make_call: CallMaker
) -> None:
    """At one price for everything the parting cannot matter."""
    rate = make_rate(
        "acme",
        "m",
        [UnitPrice(metric, Decimal(1), 1_000) for metric in TOKEN_METRICS],
        source="user",
    )
    read, written, audio, image = data.draw(parts_within(total_in))
    reasoning, audio_out, image_out, _ = data.draw(parts_within(total_out))
    call = make_call(
        "acme",
        "m",
        input_tokens=total_in,
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=data.draw(st.integers(0, written)),
        input_audio_tokens=audio,
        input_image_tokens=image,
        output_tokens=total_out,
        reasoning_tokens=reasoning,
        output_audio_tokens=audio_out,
        output_image_tokens=image_out,
    )

    answer = card_of(rate).price(call)

    assert isinstance(answer, Priced)
    assert (answer.cost_nano, answer.status) == ((total_in + total_out) * 1_000_000, "priced")


@given(
    rate=rates(),
    total_in=st.integers(0, 10**6),
    total_out=st.integers(0, 10**6),
    more_in=st.integers(0, 10**6),
    more_out=st.integers(0, 10**6),
    cached=st.integers(0, 10**6),
)
def test_more_tokens_never_cost_less(
    rate: Rate,
    total_in: int,
    total_out: int,
    more_in: int,
    more_out: int,
    cached: int,
    make_call: CallMaker,
) -> None:
    used = {"cache_read_tokens": min(cached, total_in), "reasoning_tokens": min(cached, total_out)}
    card = card_of(rate)

    costs = [
        card.price(make_call("acme", "m", input_tokens=i, output_tokens=o, **used))
        for i, o in ((total_in, total_out), (total_in + more_in, total_out + more_out))
    ]

    less, more = (answer.cost_nano if isinstance(answer, Priced) else 0 for answer in costs)
    assert less <= more


def test_the_same_price_has_the_same_id_however_it_is_written() -> None:
    one, same, other = (
        {"input": Decimal("2.5"), "output": Decimal(10)},
        {"output": Decimal("10.00"), "input": Decimal("2.50")},
        {"input": Decimal("2.51"), "output": Decimal(10)},
    )

    ids = [
        make_rate(
            "acme",
            "m",
            [UnitPrice(metric, amount, 1_000) for metric, amount in amounts.items()],
            source="user",
        ).rate_id
        for amounts in (one, same, other)
    ]

    assert ids[0] == ids[1] != ids[2]


@given(
    sizes=st.lists(st.integers(0, 10**7), min_size=1, max_size=30),
    cuts=st.lists(st.integers(0, 30), max_size=4),
)
def test_splitting_a_batch_never_changes_a_sum(
    sizes: list[int], cuts: list[int], card: RateCard, make_call: CallMaker
) -> None:
    calls = [make_call("x_ai", "grok-4.3", input_tokens=n, output_tokens=n % 97) for n in sizes]
    edges = [0, *sorted(min(cut, len(calls)) for cut in cuts), len(calls)]

    whole = sum(_cost_nano(card, call) for call in calls)
    parts = [
        sum(_cost_nano(card, call) for call in calls[first:last]) for first, last in pairwise(edges)
    ]

    assert sum(parts) == whole


def _cost_nano(card: RateCard, call: ModelCall) -> int:
    answer = card.price(call)
    assert isinstance(answer, Priced)
    return answer.cost_nano


def test_there_is_no_float_among_the_prices(card: RateCard, make_call: CallMaker) -> None:
    rows = [row for folder in ("prices", "history") for row in load_rows(folder)[0]]
    answer = card.price(make_call("anthropic", "claude-opus-4-6", input_tokens=9, region="us"))

    assert isinstance(answer, Priced)
    assert answer.rate is not None
    amounts = [price.amount_usd for price in (*answer.rate.prices, *(row.price for row in rows))]
    assert {type(amount) for amount in amounts} == {Decimal}
    assert {type(value) for value in answer[1:6]} == {int}
