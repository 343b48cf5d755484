"""Every price source on its own: what each would charge for a call.

Input: a call and what the user has given. Output: the name of each source, in order of precedence,
with its answer. A source alone has no factors of another, so it can differ from what it adds to.
"""

from __future__ import annotations

from collections.abc import Iterator

from spantoll.pricing.card import RateCard
from spantoll.pricing.lists import PriceLists
from spantoll.pricing.result import Priced, Unpriced
from spantoll.pricing.tariff import PriceSource
from spantoll.semconv.call import ModelCall

__all__ = ["list_sources", "price_by_source"]


def list_sources(card: RateCard) -> Iterator[PriceSource]:
    """List the sources of a card in order of precedence (docs/prices.md)."""
    for source in card.sources:
        yield from source.sources if isinstance(source, PriceLists) else (source,)


def price_by_source(card: RateCard, call: ModelCall) -> Iterator[tuple[str, Priced | Unpriced]]:
    """Price a call by each source alone; those that do not know the model are left out."""
    for source in list_sources(card):
        alone = RateCard((source,), price_set=source.price_set)
        answer = alone.price(call._replace(reported_cost=None))
        if isinstance(answer, Priced) or answer.reason not in {"unknown_model", "unknown_provider"}:
            yield f"{source.price_set.source} {source.price_set.version}".strip(), answer
