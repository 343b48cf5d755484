"""Every price source on its own: what each would charge for a call.

Input: a call and what the user has given. Output: the name of each source, in order of precedence,
with its answer. A source alone has no factors of another, so it can differ from what it adds to.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from spantoll.pricing.card import RateCard
from spantoll.pricing.result import Priced, Unpriced
from spantoll.pricing.selector import Selector
from spantoll.pricing.tariff import PriceSource
from spantoll.semconv.call import ModelCall

__all__ = ["Disagreement", "find_disagreements", "price_by_source"]


def price_by_source(card: RateCard, call: ModelCall) -> Iterator[tuple[str, Priced | Unpriced]]:
    """Price a call by each source alone; those that do not know the model are left out."""
    for source in card.list_sources():
        alone = RateCard((source,), price_set=source.price_set)
        answer = alone.price(call._replace(reported_cost=None))
        if isinstance(answer, Priced) or answer.reason not in {"unknown_model", "unknown_provider"}:
            yield _name(source), answer


class Disagreement(NamedTuple):
    """A list price that sources give differently; the first one bills."""

    provider: str
    model: str
    metric: str
    amounts: tuple[tuple[str, Decimal], ...]
    """Source and USD per unit, in order of precedence."""


def find_disagreements(card: RateCard, *, at_ns: int) -> Iterator[Disagreement]:
    """Find the models whose list price at a time is not the same in all sources that have it."""
    sources = list(card.list_sources())
    for provider, model in dict.fromkeys(
        name for source in sources for name in source.list_models()
    ):
        amounts: dict[str, dict[str, Decimal]] = {}
        for source in sources:
            timeline = source.find(provider, model, Selector())
            tariff = None if timeline is None else timeline.value_at(at_ns)
            for price in () if tariff is None else tariff.rates[0].prices:
                found = amounts.setdefault(price.metric, {})
                found.setdefault(_name(source), price.amount_usd / price.per)
        for metric, by_source in amounts.items():
            if len(set(by_source.values())) > 1:
                yield Disagreement(provider, model, metric, tuple(by_source.items()))


def _name(source: PriceSource) -> str:
    return f"{source.price_set.source} {source.price_set.version}".strip()
