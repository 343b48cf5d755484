"""A user's own price rows: how one is read, and which may not stand beside each other.

Input: rows of text, from the configuration file, the ledger, CSV or JSON. Output: checked
`OwnPrice` rows, in USD where they are compiled. Raises PriceDataError, naming every row concerned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from spantoll.pricing.calendars import CALENDARS
from spantoll.pricing.exchange import USD, ExchangeRate, convert, split_by_rates
from spantoll.pricing.own_names import read_model, read_provider
from spantoll.pricing.own_text import read_amount, read_day, read_text, write_amount
from spantoll.pricing.own_units import parse_metric, parse_per, write_unit
from spantoll.pricing.result import UnitPrice
from spantoll.pricing.selector import Selector
from spantoll.pricing.shipped import PriceDataError
from spantoll.pricing.validity import refuse_overlap, start_ns

__all__ = [
    "OWN_FIELDS",
    "CompiledPrice",
    "OwnPrice",
    "check_own_prices",
    "compile_price",
    "read_own_price",
    "write_own_price",
]

OWN_FIELDS = (
    *("provider", "model", "metric", "amount", "per", "currency"),
    *("context", "valid_from", "valid_to", "note"),
)
_MAX_CONTEXT = 254


class OwnPrice(NamedTuple):
    """Money for a number of units of one metric of one model, in one context, while it is valid."""

    provider: str
    """A canonical name, `azure` or `google` for all of theirs, `*` for every provider."""
    model: str
    """`gpt-4o`: this name; `prefix:gpt-4o`: it and its versions; `pattern:*-eu`: `*` for anything;
    `*`: every model that has no price otherwise, as an estimate."""
    metric: str
    amount: Decimal
    per: int
    currency: str = USD
    context: str = ""
    """Canonical text of a `Selector`."""
    valid_from: str = ""
    valid_to: str = ""
    note: str = ""
    position: str = ""
    """Where the row stands, for messages: `prices.csv:3`, `row 7 of the ledger`."""

    @property
    def key(self) -> tuple[str, ...]:
        """What it prices: two rows of one key may not be valid at one time."""
        return (self.provider, self.model, self.metric, self.context)

    @property
    def name(self) -> str:
        """What it prices, for messages."""
        context = f" ({self.context})" if self.context else ""
        return f"price {self.metric} of {self.provider}/{self.model}{context}"


class CompiledPrice(NamedTuple):
    """A row in USD, at one exchange rate: a `DatedRow`."""

    own: OwnPrice
    price: UnitPrice
    selector: Selector
    valid_from: str
    valid_to: str


def read_own_price(record: Mapping[str, Any], position: str) -> OwnPrice:
    """Read and check one row; columns that are absent are empty. Raises PriceDataError."""
    if unknown := {name for name in record if name} - {*OWN_FIELDS, "position"}:
        raise PriceDataError(
            f"{position}: unknown column {min(unknown)!r}; one of {', '.join(OWN_FIELDS)}"
        )
    try:
        metric = parse_metric(str(record.get("metric") or ""))
        per = parse_per(read_text(record.get("per")), metric)
        context = str(Selector.parse(read_text(record.get("context"))))
        days = Selector.parse(context).days
    except ValueError as error:
        raise PriceDataError(f"{position}: {error}") from None
    if days and days not in CALENDARS:
        raise PriceDataError(f"{position}: unknown calendar {days!r}")
    if len(context) > _MAX_CONTEXT or len(metric.metric) > 64:
        raise PriceDataError(f"{position}: metric and context may have 64 and 254 characters")
    currency = read_text(record.get("currency")).upper() or USD
    if len(currency) != 3 or not (currency.isascii() and currency.isalpha()):
        raise PriceDataError(f"{position}: currency must be three letters such as USD or EUR")
    row = OwnPrice(
        read_provider(record.get("provider"), position),
        read_model(record.get("model"), position),
        metric.metric,
        read_amount(record.get("amount"), "amount", position),
        per,
        currency,
        context,
        read_day(record.get("valid_from"), position),
        read_day(record.get("valid_to"), position),
        read_text(record.get("note"))[:254],
        position,
    )
    if row.valid_from and row.valid_to and start_ns(row.valid_from) >= start_ns(row.valid_to):
        raise PriceDataError(f"{position}: valid_to must be after valid_from")
    return row


def write_own_price(row: OwnPrice) -> dict[str, str]:
    """Write a row as `read_own_price` reads it: every value as text, amounts exact."""
    return {
        **{name: str(getattr(row, name)) for name in OWN_FIELDS},
        "per": write_unit(row.per, row.metric),
        "amount": write_amount(row.amount),
    }


def check_own_prices(rows: Sequence[OwnPrice], rates: Sequence[ExchangeRate]) -> None:
    """Refuse rows that overlap, and rows in a currency without a rate. Raises PriceDataError."""
    refuse_overlap(rows)
    for row in rows:
        compile_price(row, rates)


def compile_price(row: OwnPrice, rates: Sequence[ExchangeRate]) -> list[CompiledPrice]:
    """Express a row in USD, once for each exchange rate of its validity. Raises PriceDataError."""
    periods = split_by_rates(row.currency, row.valid_from, row.valid_to, rates, row.position)
    source = row.note
    return [
        CompiledPrice(
            row,
            UnitPrice(row.metric, convert(row.amount, period.usd), row.per, source),
            Selector.parse(row.context),
            period.valid_from,
            period.valid_to,
        )
        for period in periods
    ]
