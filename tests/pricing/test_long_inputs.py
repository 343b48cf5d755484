"""Long requests in batch, a tier or a place: the list's step where the context has none."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from spantoll.pricing import Priced, RateCard, UnitPrice
from spantoll.pricing.long_inputs import extend_steps
from spantoll.pricing.selector import Selector
from spantoll.pricing.tariff import Tariff, make_rate
from spantoll.semconv.call import ModelCall

CallMaker = Callable[..., ModelCall]
LONG: dict[str, Any] = {"input_tokens": 300_000, "output_tokens": 1_000}
STEP = 200_001
DOUBT = "no price from 200,001 input tokens on in this context, the step of the list price"


@pytest.mark.parametrize(
    ("provider", "model", "at", "served", "usd", "status"),
    [
        ("anthropic", "claude-sonnet-4-5", "2026-04-29", {"batch": True}, "0.91125", "estimated"),
        ("gcp.gemini", "gemini-2.5-pro", "2026-11-01", {"batch": True}, "0.3825", "priced"),
        ("gcp.gemini", "gemini-2.5-pro", "2026-11-01", {"service_tier": "flex"}, "0.3825", "est"),
        ("openai", "gpt-5.4", "2026-04-15", {"batch": True}, "0.76125", "estimated"),
        ("openai", "gpt-5.4", "2026-11-01", {"batch": True}, "0.76125", "priced"),
        ("openai", "gpt-5.6-sol", "2026-08-01", {"service_tier": "priority"}, "6.09", "estimated"),
    ],
)
def test_a_long_request_costs_more_in_every_context(
    card: RateCard,
    make_call: CallMaker,
    provider: str,
    model: str,
    at: str,
    served: dict[str, Any],
    usd: str,
    status: str,
) -> None:
    answer = card.price(make_call(provider, model, at=at, **LONG, **served))

    assert isinstance(answer, Priced)
    assert Decimal(answer.cost_nano).scaleb(-9) == Decimal(usd)
    assert answer.status.startswith(status)


def tariff(*steps: dict[str, str], context: str = "", source: str = "spantoll") -> Tariff:
    """Make a tariff of amounts by metric, for each step; an amount with `?` has a doubt."""
    selector = Selector.parse(context)
    rates = tuple(
        make_rate(
            "acme",
            "m",
            (
                UnitPrice(metric, Decimal(usd.rstrip("?")), 1_000_000, "", "?" * usd.count("?"))
                for metric, usd in amounts.items()
            ),
            selector=selector._replace(min_input_tokens=STEP * index),
            source=source,
        )
        for index, amounts in enumerate(steps)
    )
    return Tariff(rates, tuple(STEP * index for index in range(len(steps))))


LISTED = tariff({"input": "2", "output": "8"}, {"input": "4", "output": "12"})


@pytest.mark.parametrize(
    ("own", "long"),
    [
        (({"input": "1", "output": "4"},), {"input": ("2", DOUBT), "output": ("6", DOUBT)}),
        (({"input": "1", "images": "9"},), {"input": ("2", DOUBT), "images": ("9", "")}),
        (({"input": "1", "output": "4?"},), {"input": ("2", DOUBT), "output": ("4", "?")}),
        (
            ({"input": "1", "output": "4"}, {"input": "1.5", "output": "4"}),
            {"input": ("1.5", ""), "output": ("6", DOUBT)},
        ),
    ],
    ids=["no step", "a price the list has not", "a doubt already", "a step of its own"],
)
def test_what_a_context_prices_alike_at_every_length_takes_the_lists_step(
    own: tuple[dict[str, str], ...], long: dict[str, tuple[str, str]]
) -> None:
    extended = extend_steps(tariff(*own, context="batch"), LISTED)

    rate = extended.rate_for_input(STEP)
    assert {p.metric: (f"{p.amount_usd:f}", p.doubt) for p in rate.prices} == long
    assert rate.context == f"batch;input_tokens>={STEP}"
    assert extended.rates[0] == tariff(*own, context="batch").rates[0]


@pytest.mark.parametrize("source", ["user", "default"])
def test_a_users_own_row_holds_at_every_length(source: str) -> None:
    own = tariff({"input": "1", "output": "4"}, context="batch", source=source)

    assert extend_steps(own, LISTED) == own


@pytest.mark.parametrize("listed", [None, tariff({"input": "2"})], ids=["no list", "no step"])
def test_a_context_stays_as_it_is_where_the_list_has_no_step(listed: Tariff | None) -> None:
    own = tariff({"input": "1"}, context="batch")

    assert extend_steps(own, listed) == own
