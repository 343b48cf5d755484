from __future__ import annotations

from collections.abc import Iterable

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

__all__ = [
    "CostLine",
    "PriceSet",
    "Priced",
    "PricingStatus",
    "Rate",
    "RateCard",
    "UnitPrice",
    "Unpriced",
    "load_rate_card",
]


def load_rate_card(rates: Iterable[Rate] = (), *, today: str | None = None) -> RateCard:
    """Make the rate card of the installed catalogue; `rates` outrank it where they hold.

    A rate whose source is `default`, or whose model is `*`, stands behind the catalogue instead,
    and what it prices is estimated. Loading imports genai-prices, about 0.4 s once per process.
    """
    from spantoll.pricing.builtin import SelfHosted
    from spantoll.pricing.catalogue import GenaiPrices
    from spantoll.pricing.lists import PriceLists, ShippedPrices
    from spantoll.pricing.shipped import load_factors
    from spantoll.pricing.table import ANY, RateTable

    given = tuple(rates)
    catalogue = GenaiPrices.installed(today=today)
    factors = load_factors()
    lists = PriceLists(
        ShippedPrices.open_folder("prices"),
        catalogue,
        ShippedPrices.open_folder("history"),
        factors,
    )
    defaults = tuple(rate for rate in given if rate.source == "default" or rate.model == ANY)
    own = RateTable((rate for rate in given if rate not in defaults), source="user")
    return RateCard(
        (own, lists, SelfHosted(), RateTable(defaults, source="default")),
        price_set=catalogue.price_set,
        factors=factors,
    )
