"""The rate card: failed calls, reported costs, users' rows, defaults, and what is kept."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from spantoll.pricing import (
    Priced,
    Rate,
    RateCard,
    UnitPrice,
    Unpriced,
    UserPricing,
    load_rate_card,
)
from spantoll.pricing.own_prices import read_own_price
from spantoll.pricing.selector import Selector
from spantoll.pricing.table import RateTable
from spantoll.pricing.tariff import make_rate
from spantoll.semconv.call import ModelCall, ReportedCost

CallMaker = Callable[..., ModelCall]


def own_rate(provider: str, model: str, input_usd: str, **given: Any) -> Rate:
    """Make a rate in USD per million input tokens."""
    prices = [
        UnitPrice("input", Decimal(input_usd), 1_000_000),
        UnitPrice("output", Decimal(0), 1_000_000),
    ]
    return make_rate(provider, model, prices, **{"source": "user", **given})


NOT_BILLED = {
    "refused": {"status": "error"},
    "refused, counters at zero": {"status": "error", "input_tokens": 0, "output_tokens": 0},
}


@pytest.mark.parametrize("made", NOT_BILLED.values(), ids=NOT_BILLED)
def test_a_call_the_provider_refused_costs_nothing(
    made: dict[str, Any], card: RateCard, make_call: CallMaker
) -> None:
    answer = card.price(make_call("openai", "gpt-4o", **made))

    assert isinstance(answer, Priced)
    assert (answer.status, answer.cost_nano, answer.reason) == ("free", 0, "failed_call")
    assert answer.rate is None


BROKEN_OFF = {
    "after its first chunk": {"time_to_first_chunk_ns": 5},
    "after the answer had an id": {"response_id": "chatcmpl-1"},
    "after it had finished": {"finish_reasons": ("stop",)},
}


@pytest.mark.parametrize("made", BROKEN_OFF.values(), ids=BROKEN_OFF)
def test_a_call_that_broke_off_was_billed_an_unknown_amount(
    made: dict[str, Any], card: RateCard, make_call: CallMaker
) -> None:
    answer = card.price(make_call("openai", "gpt-4o", status="error", **made))

    assert answer == Unpriced("no_usage", "the span carries no usage")


def test_a_failed_call_with_usage_costs_what_it_used(card: RateCard, make_call: CallMaker) -> None:
    call = make_call("openai", "gpt-4o", status="error", input_tokens=1_000, output_tokens=10)

    answer = card.price(call)

    assert isinstance(answer, Priced)
    assert (answer.status, answer.cost_nano) == ("priced", 2_600_000)


def test_a_cache_hit_costs_nothing(card: RateCard, make_call: CallMaker) -> None:
    call = make_call("openai", "gpt-4o", cache_hit=True, input_tokens=1_000, output_tokens=10)

    answer = card.price(call)

    assert isinstance(answer, Priced)
    assert (answer.status, answer.cost_nano, answer.reason) == ("free", 0, "cache_hit")


def reported(amount: str, source: str = "gateway", currency: str = "USD") -> ReportedCost:
    return ReportedCost(Decimal(amount), currency, source)


def test_the_bill_of_gateway_or_provider_beats_the_list_which_stays_visible(
    card: RateCard, make_call: CallMaker
) -> None:
    call = make_call(
        "openrouter",
        "openai/gpt-4o",
        input_tokens=1_000,
        output_tokens=0,
        reported_cost=reported("0.0031"),
    )

    answer = card.price(call)

    assert isinstance(answer, Priced)
    assert (answer.cost_nano, answer.other_nano, answer.source) == (
        3_100_000,
        3_100_000,
        "reported",
    )
    assert (answer.status, answer.rate, answer.catalogue_nano) == ("priced", None, 2_500_000)


def test_a_reported_cost_stands_where_the_list_knows_nothing(
    card: RateCard, make_call: CallMaker
) -> None:
    call = make_call("nobody", "nothing", reported_cost=reported("0.5", source="provider"))

    answer = card.price(call)

    assert isinstance(answer, Priced)
    assert (answer.cost_nano, answer.catalogue_nano) == (500_000_000, None)


def test_a_provider_may_bill_nothing(card: RateCard, make_call: CallMaker) -> None:
    call = make_call(
        "openai",
        "gpt-4o",
        input_tokens=1_000,
        output_tokens=0,
        reported_cost=reported("0", source="provider"),
    )

    answer = card.price(call)

    assert isinstance(answer, Priced)
    assert (answer.cost_nano, answer.source, answer.catalogue_nano) == (0, "reported", 2_500_000)


NOT_A_BILL = {
    "an instrumentation's own arithmetic": reported("0.5", source="instrumentation"),
    "another currency": reported("0.5", currency="EUR"),
    "a gateway's zero, which is what it says of models it does not know": reported("0.0"),
    "a negative amount": reported("-0.5"),
    "no amount": reported("NaN"),
    "more than a ledger holds": reported("1E+12"),
}


@pytest.mark.parametrize("cost", NOT_A_BILL.values(), ids=NOT_A_BILL)
def test_what_is_not_the_bill_does_not_become_the_cost(
    cost: ReportedCost, card: RateCard, make_call: CallMaker
) -> None:
    call = make_call("openai", "gpt-4o", input_tokens=1_000, output_tokens=0, reported_cost=cost)

    answer = card.price(call)

    assert isinstance(answer, Priced)
    assert (answer.cost_nano, answer.source) == (2_500_000, "catalogue")


def test_the_users_price_outranks_the_catalogue_from_its_first_to_its_last_day(
    make_call: CallMaker,
) -> None:
    card = load_rate_card(
        [
            own_rate(
                "openai",
                "gpt-4o",
                "1",
                effective_from="2026-03-01",
                effective_to="2026-05-01T12:00:00+02:00",
            )
        ]
    )
    moments = (
        "2026-02-28T23:59:59.999999",
        "2026-03-01",
        "2026-05-01T09:59:59.999999",
        "2026-05-01T10:00",
    )

    answers = [
        card.price(make_call("openai", "gpt-4o", at=at, input_tokens=1_000, output_tokens=0))
        for at in moments
    ]

    assert [
        (answer.cost_nano, answer.source) for answer in answers if isinstance(answer, Priced)
    ] == [
        (2_500_000, "catalogue"),
        (1_000_000, "user"),
        (1_000_000, "user"),
        (2_500_000, "catalogue"),
    ]


def test_the_users_price_outranks_the_hours_of_the_catalogue(make_call: CallMaker) -> None:
    card = load_rate_card([own_rate("deepseek", "deepseek-v4-pro", "1", effective_to="2026-11-12")])
    moments = ("2026-11-11T02:00", "2026-11-12T02:00", "2026-11-12T05:00")

    costs = [
        card.price(
            make_call("deepseek", "deepseek-v4-pro", at=at, input_tokens=1_000, output_tokens=0)
        )
        for at in moments
    ]

    assert [answer.cost_nano for answer in costs if isinstance(answer, Priced)] == [
        1_000_000,
        1_320_000,
        660_000,
    ]


def test_the_users_price_of_a_deployment_needs_no_doubt(make_call: CallMaker) -> None:
    card = load_rate_card([own_rate("azure.ai.openai", "my-prod", "2")])
    call = make_call(
        "azure.ai.openai",
        "gpt-4o-2024-08-06",
        request_model="My-Prod",
        input_tokens=1_000,
        output_tokens=0,
    )

    answer = card.price(call)

    assert isinstance(answer, Priced)
    assert (answer.cost_nano, answer.status, answer.source) == (2_000_000, "priced", "user")


def test_a_price_with_an_end_leaves_the_time_after_it_unpriced(make_call: CallMaker) -> None:
    card = load_rate_card([own_rate("acme", "m", "2", effective_to="2026-01-01")])

    answer = card.price(make_call("acme", "m", input_tokens=1, output_tokens=0))

    assert answer == Unpriced(
        "unknown_model", "no price for m of acme: give (acme, m) a price row for this date"
    )


def test_a_default_price_stands_behind_the_catalogue_and_is_an_estimate(
    make_call: CallMaker,
) -> None:
    card = load_rate_card([own_rate("*", "*", "9", source="default")])

    answers = [
        card.price(make_call(provider, model, input_tokens=1_000, output_tokens=0))
        for provider, model in (("openai", "gpt-4o"), ("acme", "m"))
    ]

    assert [
        (answer.cost_nano, answer.status, answer.reason)
        for answer in answers
        if isinstance(answer, Priced)
    ] == [
        (2_500_000, "priced", None),
        (9_000_000, "estimated", "default price, the model has none of its own"),
    ]


def test_an_exact_row_outranks_a_row_for_every_model(make_call: CallMaker) -> None:
    card = load_rate_card([own_rate("acme", "*", "9"), own_rate("acme", "m", "1")])

    answers = [
        card.price(make_call("acme", model, input_tokens=1_000, output_tokens=0))
        for model in ("m", "n")
    ]

    assert [
        (answer.cost_nano, answer.status) for answer in answers if isinstance(answer, Priced)
    ] == [(1_000_000, "priced"), (9_000_000, "estimated")]


def test_a_row_for_every_model_does_not_hide_the_catalogues(make_call: CallMaker) -> None:
    card = load_rate_card([own_rate("openrouter", "*", "9")])

    answers = [
        card.price(make_call("openrouter", model, input_tokens=1_000, output_tokens=0))
        for model in ("openai/gpt-4o", "no/such-model")
    ]

    assert [
        (answer.cost_nano, answer.status) for answer in answers if isinstance(answer, Priced)
    ] == [(2_500_000, "priced"), (9_000_000, "estimated")]


def test_the_later_of_two_rows_that_hold_wins(make_call: CallMaker) -> None:
    card = load_rate_card(
        [
            own_rate("acme", "m", "2", effective_from="2026-02-01"),
            own_rate("acme", "m", "1"),
            own_rate("acme", "m", "3", effective_from="2026-06-01"),
        ]
    )

    answers = [
        card.price(make_call("acme", "m", at=at, input_tokens=1_000, output_tokens=0))
        for at in ("2026-01-31", "2026-02-01", "2026-06-01")
    ]

    assert [answer.cost_nano for answer in answers if isinstance(answer, Priced)] == [
        1_000_000,
        2_000_000,
        3_000_000,
    ]


def test_an_explicit_zero_row_is_free(make_call: CallMaker) -> None:
    card = load_rate_card([own_rate("acme", "m", "0")])

    answer = card.price(make_call("acme", "m"))

    assert isinstance(answer, Priced)
    assert (answer.status, answer.cost_nano, answer.source) == ("free", 0, "user")


OWN_CONTEXTS = {
    "list": ({}, 1_000_000, "priced", None),
    "batch": ({"batch": True}, 2_000_000, "priced", None),
    "batch and flex": ({"batch": True, "service_tier": "flex"}, 3_000_000, "priced", None),
    "flex alone": (
        {"service_tier": "flex"},
        1_000_000,
        "estimated",
        "no flex price then, list price",
    ),
    "fast batch": (
        {"batch": True, "speed": "fast"},
        2_000_000,
        "estimated",
        "no fast price then, list price",
    ),
    "everything at once": (
        {"batch": True, "service_tier": "flex", "speed": "fast"},
        3_000_000,
        "estimated",
        "no fast price then, list price",
    ),
    "two things that have no price": (
        {"service_tier": "priority", "speed": "fast"},
        1_000_000,
        "estimated",
        "no fast price then, list price; no priority price then, list price",
    ),
    "at noon": ({"at": "2026-11-12T14:59"}, 7_000_000, "priced", None),
    "past noon": ({"at": "2026-11-12T15:00"}, 1_000_000, "priced", None),
    "long": ({"input_tokens": 2_000}, 2_000 * 5_000, "priced", None),
    "one short of long": ({"input_tokens": 1_999}, 1_999 * 1_000, "priced", None),
    "at night": ({"at": "2026-11-12T23:00"}, 6_000_000, "priced", None),
    "after midnight": ({"at": "2026-11-12T05:59"}, 6_000_000, "priced", None),
    "in the morning": ({"at": "2026-11-12T06:00"}, 1_000_000, "priced", None),
}


@pytest.mark.parametrize(
    ("made", "nano", "status", "reason"), OWN_CONTEXTS.values(), ids=OWN_CONTEXTS
)
def test_a_users_rows_can_depend_on_all_that_the_catalogues_do(
    made: dict[str, Any], nano: int, status: str, reason: str | None, make_call: CallMaker
) -> None:
    contexts = {
        "": "1",
        "batch": "2",
        "batch;service_tier=flex": "3",
        "input_tokens>=2000": "5",
        "utc=22:00-06:00": "6",
        "utc=14:00-15:00": "7",
    }
    table = RateTable(
        [
            own_rate("acme", "m", usd, selector=Selector.parse(context))
            for context, usd in contexts.items()
        ],
        source="user",
    )
    card = RateCard([table], price_set=table.price_set)
    used = {"at": "2026-11-12T12:00", "input_tokens": 1_000, "output_tokens": 0, **made}

    answer = card.price(make_call("acme", "m", **used))

    assert isinstance(answer, Priced)
    assert (answer.cost_nano, answer.status, answer.reason) == (nano, status, reason)


def test_a_step_without_a_price_below_it_prices_nothing(make_call: CallMaker) -> None:
    table = RateTable(
        [own_rate("acme", "m", "5", selector=Selector(min_input_tokens=2_000))], source="user"
    )
    card = RateCard([table], price_set=table.price_set)

    answer = card.price(make_call("acme", "m", input_tokens=3_000, output_tokens=0))

    assert isinstance(answer, Unpriced)


def test_an_unreadable_context_is_refused_when_it_is_given() -> None:
    rate = own_rate("acme", "m", "5")._replace(context="batch;moon=full")

    with pytest.raises(ValueError, match="not a price context: 'moon=full'"):
        RateTable([rate], source="user")


def test_names_from_untrusted_spans_do_not_fill_the_memory(
    card: RateCard, make_call: CallMaker
) -> None:
    for index in range(9_000):
        card.price(make_call("openai", f"gpt-{index}-unknown"))
    card.price(make_call("openai", "x" * 2_000))

    kept = card._answers

    assert len(kept) == 8_192
    assert max(len(key[1] or "") for key in kept) < 2_000


def test_threads_get_the_same_answers(make_call: CallMaker) -> None:
    card = load_rate_card()
    calls = [
        make_call(provider, model, input_tokens=1_000, output_tokens=10)
        for provider, model in (
            ("openai", "gpt-4o"),
            ("anthropic", "claude-sonnet-4-5"),
            ("gcp.gemini", "gemini-2.5-pro"),
            ("openai", "gpt-9"),
        )
    ] * 50

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(card.price, calls))

    assert answers == [load_rate_card().price(call) for call in calls[:4]] * 50


def test_a_card_that_was_used_prices_the_same_in_another_process(make_call: CallMaker) -> None:
    own = UserPricing(
        (
            read_own_price(
                {"provider": "acme", "model": "m", "metric": "input", "amount": "2", "per": "1M"},
                "",
            ),
        )
    )
    card = load_rate_card(user=own)
    calls = [
        make_call("openai", "gpt-4o-2024-08-06", input_tokens=10, output_tokens=5),
        make_call("acme", "m", input_tokens=10, output_tokens=0),
        make_call("acme", "unheard-of", input_tokens=10),
    ]
    answers = [card.price(call) for call in calls]

    copied = pickle.loads(pickle.dumps(card))

    assert [card.price(call) for call in calls] == answers
    assert copied.fingerprint == card.fingerprint
    assert [copied.price(call) for call in calls] == answers


def test_a_card_counts_how_often_it_adopted_other_prices() -> None:
    card = load_rate_card()

    card.adopt(load_rate_card())

    assert card.revision == 1
