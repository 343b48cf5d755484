"""Long requests in a context whose rows do not tell them from short ones.

Input: the tariff of a context (batch, a tier, a place) and the list price of the model. Output: the
tariff with the list's steps, at the list's ratio and with a doubt. A table often has one amount of
a context and none for long requests, which the provider bills at a multiple there too.
"""

from __future__ import annotations

from decimal import Decimal

from spantoll.pricing.result import Rate, UnitPrice
from spantoll.pricing.selector import Selector
from spantoll.pricing.tariff import Tariff, make_rate

__all__ = ["extend_steps"]

_USERS = frozenset({"user", "default"})


def extend_steps(tariff: Tariff, listed: Tariff | None) -> Tariff:
    """Raise what a context prices alike at every length where the list price has a step.

    A user's own rows are complete, and a price that has a doubt already keeps its amount.
    """
    if listed is None or len(listed.steps) == 1 or tariff.rates[0].source in _USERS:
        return tariff
    steps = tuple(sorted({*tariff.steps, *listed.steps}))
    rates = tuple(
        _raise_rate(
            tariff.rate_for_input(step),
            _amounts(tariff.rates[0]),
            _amounts(listed.rates[0]),
            _amounts(listed.rate_for_input(step)),
            step,
        )
        for step in steps
    )
    return tariff._replace(rates=rates, steps=steps)


def _amounts(rate: Rate) -> dict[str, Decimal]:
    return {price.metric: price.amount_usd / price.per for price in rate.prices}


def _raise_rate(
    rate: Rate,
    base: dict[str, Decimal],
    short: dict[str, Decimal],
    long: dict[str, Decimal],
    step: int,
) -> Rate:
    """Scale the prices of a step that are those of its tariff's first."""
    raised = {
        metric
        for metric, amount in _amounts(rate).items()
        if base.get(metric) == amount and long.get(metric, 0) > short.get(metric, 0) > 0
    }
    doubt = f"no price from {step:,} input tokens on in this context, the step of the list price"
    prices = tuple(
        UnitPrice(
            price.metric,
            price.amount_usd * long[price.metric] / short[price.metric],
            price.per,
            price.source,
            doubt,
        )
        if price.metric in raised and not price.doubt
        else price
        for price in rate.prices
    )
    if prices == rate.prices:
        return rate
    return make_rate(
        rate.provider,
        rate.model,
        prices,
        selector=Selector.parse(rate.context)._replace(min_input_tokens=step),
        effective_from=rate.effective_from,
        effective_to=rate.effective_to,
        source=rate.source,
        price_set=rate.price_set,
    )
