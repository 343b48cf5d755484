from __future__ import annotations

from typing import NamedTuple

from spantoll.pricing.exchange import ExchangeRate, check_exchange_rates
from spantoll.pricing.own_prices import OwnPrice, check_own_prices

__all__ = ["UserPricing"]


class UserPricing(NamedTuple):
    """Everything of prices that a user has given, from the configuration file and the ledger."""

    prices: tuple[OwnPrice, ...] = ()
    exchange_rates: tuple[ExchangeRate, ...] = ()

    def join(self, other: UserPricing) -> UserPricing:
        """Put the rows of two places together, unchecked."""
        return UserPricing(self.prices + other.prices, self.exchange_rates + other.exchange_rates)

    def check(self) -> None:
        """Refuse what contradicts itself. Raises PriceDataError, naming the rows."""
        check_exchange_rates(self.exchange_rates)
        check_own_prices(self.prices, self.exchange_rates)
