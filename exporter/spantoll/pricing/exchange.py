"""Prices in other currencies: dated exchange rates that the user gives, never fetched.

Input: amounts in a currency, and rows of what one unit of it is in USD. Output: amounts in USD for
each part of a validity. Raises PriceDataError where a part has no rate, or two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from spantoll.pricing.arithmetic import EXACT
from spantoll.pricing.own_text import read_amount, read_day
from spantoll.pricing.shipped import PriceDataError
from spantoll.pricing.validity import end_ns, start_ns

__all__ = [
    "USD",
    "ExchangeRate",
    "Period",
    "convert",
    "read_exchange_rate",
    "split_by_rates",
]

USD = "USD"


class ExchangeRate(NamedTuple):
    """What one unit of a currency is in USD while the row is valid."""

    currency: str
    usd: Decimal
    valid_from: str = ""
    valid_to: str = ""
    position: str = ""

    @property
    def key(self) -> tuple[str]:
        """What it is about: two rates of one currency may not be valid at one time."""
        return (self.currency,)

    @property
    def name(self) -> str:
        """What it is about, for messages."""
        return f"give {self.currency}"


class Period(NamedTuple):
    """A part of a validity, and the rate that holds in it."""

    valid_from: str
    valid_to: str
    usd: Decimal


def read_exchange_rate(record: Mapping[str, Any], position: str) -> ExchangeRate:
    """Read and check one row. Raises PriceDataError."""
    currency = str(record.get("currency") or "").upper()
    if len(currency) != 3 or not currency.isalpha() or currency == USD:
        raise PriceDataError(f"{position}: currency must be three letters other than USD")
    usd = read_amount(record.get("usd"), "usd", position)
    if not usd:
        raise PriceDataError(f"{position}: usd must be more than 0")
    return ExchangeRate(
        currency,
        usd,
        read_day(record.get("valid_from"), position),
        read_day(record.get("valid_to"), position),
        position,
    )


def split_by_rates(
    currency: str, valid_from: str, valid_to: str, rates: Sequence[ExchangeRate], position: str
) -> Iterator[Period]:
    """Split a validity at the days on which the rate of its currency changes."""
    if currency == USD:
        yield Period(valid_from, valid_to, Decimal(1))
        return
    start = valid_from
    ordered = sorted(
        (rate for rate in rates if rate.currency == currency),
        key=lambda rate: start_ns(rate.valid_from),
    )
    for rate in ordered:
        if end_ns(rate.valid_to) <= start_ns(start):
            continue
        if start_ns(rate.valid_from) > start_ns(start):
            break
        end = min(rate.valid_to, valid_to, key=end_ns)
        yield Period(start, end, rate.usd)
        if end == valid_to:
            return
        start = end
    day = start or "2000-01-01"
    raise PriceDataError(
        f"{position}: {currency} has no exchange rate from {start or 'the beginning'} on; give it "
        f"with `spantoll prices exchange {currency} USD --from {day}`, or give the price a start"
        " that has one"
    )


def convert(amount: Decimal, usd: Decimal) -> Decimal:
    """Return an amount in USD, exactly."""
    return EXACT.multiply(amount, usd)
