"""Prices of model calls: `load_rate_card` and what a card answers.

Input: a `ModelCall`. Output: `Priced` or `Unpriced`, by the sources docs/prices.md lists in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from spantoll.pricing.card import RateCard
from spantoll.pricing.result import (
    CostLine,
    Priced,
    PriceSet,
    PricingStatus,
    Rate,
    UnitPrice,
    Unpriced,
)
from spantoll.pricing.user_pricing import UserPricing

if TYPE_CHECKING:
    from spantoll.pricing.documents import PriceDocument

__all__ = [
    "CostLine",
    "PriceSet",
    "Priced",
    "PricingStatus",
    "Rate",
    "RateCard",
    "UnitPrice",
    "Unpriced",
    "UserPricing",
    "load_rate_card",
]


def load_rate_card(
    rates: Iterable[Rate] = (),
    *,
    user: UserPricing = UserPricing(),
    documents: Sequence[PriceDocument] = (),
    today: str | None = None,
) -> RateCard:
    """Make the rate card of the installed catalogue; what the user gives outranks it.

    A rate whose source is `default`, or a row whose model is `*`, stands behind the catalogue
    instead, and what it prices is estimated. Of `documents`, a price set of genai-prices stands in
    place of the installed package, and one of LiteLLM behind all other lists. Loading imports
    genai-prices, about 0.4 s once per process. Raises PriceDataError where rows of the user
    contradict each other.
    """
    from spantoll.pricing.builtin import SelfHosted
    from spantoll.pricing.catalogue import GenaiPrices
    from spantoll.pricing.documents import GENAI_PRICES, LITELLM
    from spantoll.pricing.lists import PriceLists, ShippedPrices
    from spantoll.pricing.own_table import OwnPriceTable
    from spantoll.pricing.shipped import load_factors
    from spantoll.pricing.table import ANY, RateTable

    user.check()
    given = tuple(rates)
    synced = {document.source: document for document in documents}
    catalogue = (
        GenaiPrices.from_document(synced[GENAI_PRICES])
        if GENAI_PRICES in synced
        else GenaiPrices.installed(today=today)
    )
    second = [ShippedPrices.from_litellm(synced[LITELLM])] if LITELLM in synced else []
    factors = load_factors()
    lists = PriceLists(
        ShippedPrices.open_folder("prices"),
        catalogue,
        ShippedPrices.open_folder("history"),
        factors,
        second=second,
    )
    defaults = tuple(rate for rate in given if rate.source == "default" or rate.model == ANY)
    own_rows = [row for row in user.prices if row.model != ANY]
    default_rows = [row for row in user.prices if row.model == ANY]
    return RateCard(
        (
            RateTable((rate for rate in given if rate not in defaults), source="user"),
            OwnPriceTable(own_rows, user.exchange_rates, source="user"),
            lists,
            SelfHosted(),
            RateTable(defaults, source="default"),
            OwnPriceTable(default_rows, user.exchange_rates, source="default"),
        ),
        price_set=catalogue.price_set,
        factors=factors,
        aliases=user.aliases,
    )
