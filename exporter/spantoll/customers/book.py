"""The prices customers pay, ready to be looked up for a call.

Input: customer prices and exchange rates. Output: the rows that match a record, the most specific
first. The order is fixed and has no ties: customer, then model (a name before a beginning, a
longer beginning before a shorter one), then provider, then metric.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from hashlib import sha256
from typing import NamedTuple

from spantoll.customers.price import ANY, CustomerPrice
from spantoll.pricing.exchange import USD, ExchangeRate, convert
from spantoll.pricing.timeline import instant_ns
from spantoll.records.record import UsageRecord

__all__ = ["EMPTY_BOOK", "NO_FILE", "BookVersion", "FilePrices", "PriceBook"]

_MAX_ANSWERS = 8192
"""Names come from strangers: the cache is bounded."""

_Names = tuple[str, str, str | None, str | None, str | None]
"""Tenant, customer, provider, model, requested model."""


class FilePrices(NamedTuple):
    """The rows of the configuration file that customers are charged by."""

    prices: tuple[CustomerPrice, ...] = ()
    exchange_rates: tuple[ExchangeRate, ...] = ()


NO_FILE = FilePrices()


class BookVersion(NamedTuple):
    """What changes with every change of the rows."""

    last_price: int = 0
    ended_prices: int = 0
    last_rate: int = 0
    withdrawn_rates: int = 0
    file: FilePrices = NO_FILE


class PriceBook:
    """Finds customer prices. Immutable but for a cache; safe to use from several threads."""

    def __init__(
        self,
        prices: Iterable[CustomerPrice] = (),
        exchange_rates: Iterable[ExchangeRate] = (),
        *,
        version: BookVersion | None = None,
    ) -> None:
        self.prices = tuple(prices)
        self.exchange_rates = tuple(exchange_rates)
        self.version = version or BookVersion()
        self._by_customer: defaultdict[tuple[str, str], list[CustomerPrice]] = defaultdict(list)
        for price in self.prices:
            self._by_customer[price.tenant_id, price.customer_id].append(price)
        self._found: dict[_Names, tuple[CustomerPrice, ...]] = {}

    def __bool__(self) -> bool:
        """Return True if there is any price."""
        return bool(self.prices)

    @property
    def fingerprint(self) -> str:
        """Identify the rows that charge a record: a sha256; empty where there is none."""
        if not self.prices:
            return ""
        rates = [rate._replace(position="") for rate in self.exchange_rates]
        rows = sorted(map(repr, (*self.prices, *rates)))
        return sha256("\n".join(rows).encode()).hexdigest()

    def find_for_record(self, record: UsageRecord) -> tuple[CustomerPrice, ...]:
        """Find the rows of every kind for a record of a customer, the most specific first."""
        names = (
            record.tenant_id,
            record.customer_id or "",
            record.provider,
            record.model,
            record.request_model,
        )
        found = self._found.get(names)
        if found is None:
            found = self._match(names)
            if len(self._found) >= _MAX_ANSWERS:
                self._found.clear()
            self._found[names] = found
        return tuple(price for price in found if price.holds_at(record.started_ns))

    def list_of_customer(self, customer_id: str, *, tenant_id: str) -> list[CustomerPrice]:
        """List the rows for a customer, then those for every customer."""
        own = self._by_customer.get((tenant_id, customer_id), [])
        return [*own, *self._by_customer.get((tenant_id, ANY), [])]

    def find_minimum(
        self, customer_id: str, *, tenant_id: str, time_ns: int
    ) -> CustomerPrice | None:
        """Find the minimum charge of a customer that is in force at a time."""
        for price in self.list_of_customer(customer_id, tenant_id=tenant_id):
            if price.kind == "minimum" and price.holds_at(time_ns):
                return price
        return None

    def to_usd(self, amount: Decimal, currency: str, *, time_ns: int) -> Decimal | None:
        """Convert an amount at the rate in force at a time; None if there is none."""
        if currency == USD:
            return amount
        for rate in self.exchange_rates:
            if rate.currency == currency and _holds_at(rate, time_ns):
                return convert(amount, rate.usd)
        return None

    def _match(self, names: _Names) -> tuple[CustomerPrice, ...]:
        tenant_id, customer_id, *_ = names
        ranked = [
            (rank, price)
            for price in self.list_of_customer(customer_id, tenant_id=tenant_id)
            if (rank := _rank_price(price, names)) is not None
        ]
        ranked.sort(key=lambda pair: pair[0], reverse=True)
        return tuple(price for _, price in ranked)


def _holds_at(rate: ExchangeRate, time_ns: int) -> bool:
    starts = not rate.valid_from or instant_ns(rate.valid_from) <= time_ns
    return starts and (not rate.valid_to or time_ns < instant_ns(rate.valid_to))


_Rank = tuple[bool, tuple[int, int], bool, bool]


def _rank_price(price: CustomerPrice, names: _Names) -> _Rank | None:
    """Rank how specific a row is for a call; None if it does not match."""
    _, _, provider, model, request_model = names
    if price.provider not in (ANY, provider):
        return None
    model_rank = _rank_model(price.model, model, request_model)
    if model_rank is None:
        return None
    return price.customer_id != ANY, model_rank, price.provider != ANY, price.metric != ANY


def _rank_model(
    pattern: str, model: str | None, request_model: str | None
) -> tuple[int, int] | None:
    """Rank a model's name or beginning; the response's model outranks the requested one."""
    if pattern == ANY:
        return 0, 0
    names = [(name or "").lower() for name in (model, request_model)]
    if pattern.endswith(ANY):
        stem = pattern.removesuffix(ANY)
        return (1, len(stem)) if any(name.startswith(stem) for name in names) else None
    return (2, -names.index(pattern)) if pattern in names else None


EMPTY_BOOK = PriceBook()
