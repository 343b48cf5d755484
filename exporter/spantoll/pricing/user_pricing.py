from __future__ import annotations

from typing import NamedTuple

from spantoll.pricing.exchange import ExchangeRate
from spantoll.pricing.model_aliases import ModelAlias
from spantoll.pricing.own_prices import OwnPrice, check_own_prices
from spantoll.pricing.validity import refuse_overlap

__all__ = ["UserPricing"]


class UserPricing(NamedTuple):
    """Everything of prices that a user has given, from the configuration file and the ledger."""

    prices: tuple[OwnPrice, ...] = ()
    exchange_rates: tuple[ExchangeRate, ...] = ()
    aliases: tuple[ModelAlias, ...] = ()

    def join(self, other: UserPricing) -> UserPricing:
        """Put the rows of two places together, unchecked."""
        return UserPricing(
            self.prices + other.prices,
            self.exchange_rates + other.exchange_rates,
            self.aliases + other.aliases,
        )

    def check(self) -> None:
        """Refuse what contradicts itself. Raises PriceDataError, naming the rows."""
        refuse_overlap(self.exchange_rates)
        refuse_overlap(self.aliases)
        check_own_prices(self.prices, self.exchange_rates)
