"""A user's own prices as a price source, and what the lists add to them.

Input: checked `OwnPrice` rows. Output: the tariff of a model in a context over time, metric by
metric from the most specific row: exact name, longest prefix, longest pattern; the provider's own
name before `azure` or `google`, and these before `*`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from hashlib import sha256
from types import MappingProxyType
from typing import NamedTuple

from spantoll.pricing.dated_rows import RowOwner, tabulate_rows
from spantoll.pricing.exchange import ExchangeRate
from spantoll.pricing.own_names import is_exact_model, rank_model, rank_provider
from spantoll.pricing.own_prices import CompiledPrice, OwnPrice, compile_price
from spantoll.pricing.result import PriceSet, Rate, UnitPrice
from spantoll.pricing.selector import Selector
from spantoll.pricing.tariff import Tariff, make_rate
from spantoll.pricing.timeline import Timeline

__all__ = ["OwnPriceTable", "complete_tariff", "is_fragment"]

PART_OF: Mapping[str, str] = MappingProxyType(
    {
        "cache_read": "input",
        "cache_write": "input",
        "cache_write_1h": "input",
        "input_audio": "input",
        "input_image": "input",
        "input_video": "input",
        "cache_read_audio": "input",
        "cache_read_image": "input",
        "reasoning": "output",
        "citation": "output",
        "output_audio": "output",
        "output_image": "output",
        "output_video": "output",
    }
)
"""Metric to the total that contains it (`Usage` is inclusive, as OpenTelemetry defines it)."""


class _Rank(NamedTuple):
    """How specific a row is for a call: the higher one prices it."""

    model: int
    length: int
    provider: int


class OwnPriceTable:
    """The rows of a user, those with a model (`source` user) or those for any (`default`)."""

    def __init__(
        self, prices: Iterable[OwnPrice], rates: Sequence[ExchangeRate] = (), *, source: str
    ) -> None:
        self._source = source
        self._rows = [row for price in prices for row in compile_price(price, rates)]
        digest = sha256(repr([(*row.own[:-1], row.price) for row in self._rows]).encode())
        self.price_set = PriceSet(source, "", digest.hexdigest(), len(self._rows), "")

    def knows(self, provider: str) -> bool:
        """Return True if there is any row for `provider`."""
        return any(rank_provider(row.own.provider, provider) is not None for row in self._rows)

    def list_models(self) -> Iterator[tuple[str, str]]:
        """List provider and model of what has a price of its own name."""
        return iter({(row.own.provider, row.own.model) for row in self._rows})

    def list_names(self, providers: Sequence[str]) -> frozenset[str] | None:
        """List the exact names; None beside a prefix or pattern. See `PriceSource.list_names`."""
        names = {row.own.model for row in self._rows}
        return frozenset(names) if all(map(is_exact_model, names)) else None

    def find(self, provider: str, model: str, selector: Selector) -> Timeline[Tariff | None] | None:
        """Find the rows of a model; see `PriceSource.find`."""
        ranked = sorted(self._rank_rows(provider, model.strip().lower()), key=lambda pair: pair[0])
        if not ranked:
            return None
        named = ranked[-1][1].own
        owner = RowOwner(named.provider, named.model, self._source, "")
        return tabulate_rows(owner, [row for _, row in ranked], selector)

    def _rank_rows(self, provider: str, model: str) -> Iterator[tuple[_Rank, CompiledPrice]]:
        for row in self._rows:
            of_provider = rank_provider(row.own.provider, provider)
            of_model = rank_model(row.own.model, model)
            if of_provider is not None and of_model is not None:
                yield _Rank(*of_model, of_provider), row


def is_fragment(tariff: Tariff) -> bool:
    """Return True if a tariff prices a long context alone: it says nothing of shorter requests."""
    return len(tariff.rates) > 1 and not tariff.rates[0].prices


def complete_tariff(own: Tariff, listed: Tariff) -> Tariff:
    """Add to a user's tariff the list prices of what it does not price.

    A part (cached input) of a total that the user prices keeps its list price with a doubt, because
    a discount on the total may hold for it too; it is free where the total is.
    """
    steps = tuple(sorted({*own.steps, *listed.steps}))
    rates = tuple(
        _complete_rate(own.rates[0], own.rate_for_input(step), listed.rate_for_input(step), step)
        for step in steps
    )
    priced = {price.metric for price in own.rates[0].prices}
    totals = {price.metric for price in listed.rates[0].prices} & {"input", "output"}
    doubts = own.doubts if totals <= priced else (*own.doubts, *listed.doubts)
    return Tariff(rates, steps, tuple(dict.fromkeys(doubts)))


def _complete_rate(named: Rate, own: Rate, listed: Rate, step: int) -> Rate:
    priced = {price.metric: price for price in own.prices}
    rest = [price for price in listed.prices if price.metric not in priced]
    if priced and not any(price.amount_usd for price in own.prices):
        unpriced_totals = {price.metric for price in rest} & {"input", "output"}
        rest = rest if unpriced_totals else []
    selector = Selector.parse(own.context)._replace(min_input_tokens=step)
    of_list = Selector.parse(listed.context)
    return make_rate(
        named.provider,
        named.model,
        (
            *own.prices,
            *(_beside(price, priced.get(PART_OF.get(price.metric, ""))) for price in rest),
        ),
        selector=selector._replace(
            utc=selector.utc or of_list.utc, days=selector.days or of_list.days
        ),
        effective_from=max(own.effective_from, listed.effective_from if rest else ""),
        effective_to=min(
            filter(None, (own.effective_to, listed.effective_to if rest else "")), default=""
        ),
        source=named.source,
        price_set=listed.price_set if rest else named.price_set,
    )


def _beside(price: UnitPrice, total: UnitPrice | None) -> UnitPrice:
    """Take a list price beside the user's price of the total that contains its metric."""
    if total is None:
        return price
    if not total.amount_usd:
        return price._replace(amount_usd=Decimal(0), doubt="")
    doubt = f"list price of {price.metric} beside your own price of {total.metric}"
    return price._replace(doubt="; ".join(filter(None, (price.doubt, doubt))))
