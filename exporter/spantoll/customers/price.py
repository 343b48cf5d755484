"""What a customer pays: one dated row, and the rules it has to keep.

Input: a `CustomerPrice` as somebody entered it. Output: the same row with the names and units of
the ledger, or CustomerPriceError. Two rows that would answer the same question at the same time
are refused: of the rest, the most specific one wins (`book.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Final, Literal, NamedTuple, get_args

from spantoll.customers.times import format_time
from spantoll.errors import CustomerPriceError
from spantoll.pricing.arithmetic import EXACT
from spantoll.pricing.own_units import parse_metric
from spantoll.semconv.providers import canonical

__all__ = [
    "ANY",
    "KINDS",
    "PPM",
    "CustomerPrice",
    "Kind",
    "describe_price",
    "find_overlap",
    "format_number",
    "normalise_price",
]

Kind = Literal["markup", "discount", "fixed", "included", "minimum"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
ANY: Final = "*"
PPM: Final = 1_000_000
"""Markups and discounts are whole millionths of what they are applied to."""

MAX_MARKUP: Final = Decimal(2_000)
"""200,000 %: what a 32-bit column of millionths holds."""
SMALLEST: Final = Decimal("1E-12")
LARGEST: Final = Decimal(10) ** 12
CURRENCY: Final = re.compile(r"[A-Z]{3}")
LENGTHS: Final = {"tenant_id": 64, "customer_id": 128, "provider": 64, "model": 191, "metric": 64}

_SLOT: Final = {"markup": "price", "fixed": "price"}
"""A markup and a fixed rate answer the same question, so that only one may hold at a time."""


class CustomerPrice(NamedTuple):
    """One dated row of what a customer pays; `*` stands for every customer, provider, ...

    Rows are immutable; an open row can be ended. Times are UTC nanoseconds.
    """

    kind: Kind
    amount: Decimal
    """Markup: the share that is added to the cost, 0.3 = 30 %. Discount: the share that is taken
    off the charge. Fixed: money per `per` units. Included: units a month that cost nothing more.
    Minimum: money a month."""
    customer_id: str = ANY
    provider: str = ANY
    model: str = ANY
    """A name, or how names begin: `gpt-4o*`."""
    metric: str = ANY
    """A metric of `pricing.metrics`, such as `input`, `output`, `images`, `audio_ms`."""
    per: int = 1
    currency: str = "USD"
    valid_from_ns: int = 0
    valid_to_ns: int | None = None
    """Exclusive; None = open."""
    tenant_id: str = "default"
    id: int | None = None
    """The number of the row in the ledger; None before it is stored, or where it is not."""
    position: str = ""
    """Where a row of the configuration file stands, for messages; empty in the ledger."""

    def holds_at(self, time_ns: int) -> bool:
        """Return True if the row is in force at a time."""
        return self.valid_from_ns <= time_ns and (
            self.valid_to_ns is None or time_ns < self.valid_to_ns
        )


def normalise_price(price: CustomerPrice) -> CustomerPrice:
    """Return a row in the names and units of the ledger. Raises CustomerPriceError."""
    if price.kind not in KINDS:
        raise _refuse("kind", price.kind, f"write one of {', '.join(KINDS)}")
    if not price.amount.is_finite() or price.amount < 0:
        raise _refuse("amount", price.amount, "write a number that is not negative")
    metric, size = _read_metric(price.metric)
    provider = price.provider if price.provider == ANY else canonical(price.provider)
    row = price._replace(
        provider=provider or price.provider,
        model=price.model.strip().lower(),
        metric=metric,
        currency=price.currency.upper(),
        per=price.per * (size if price.kind == "fixed" else 1),
        amount=EXACT.multiply(price.amount, size if price.kind == "included" else 1),
    )
    _check_names(row)
    _check_amount(row)
    if row.valid_to_ns is not None and row.valid_to_ns <= row.valid_from_ns:
        raise _refuse("valid_to", format_time(row.valid_to_ns), "it is not after valid_from")
    return row


def _read_metric(text: str) -> tuple[str, int]:
    """Read a metric and how many of its units the written name is: 60,000 in `audio_minutes`."""
    if text == ANY:
        return ANY, 1
    try:
        metric, unit = parse_metric(text)
    except ValueError as error:
        raise _refuse("metric", text, f"write *, or a metric: {error}") from None
    return metric, unit or 1


def _check_names(row: CustomerPrice) -> None:
    for name, length in LENGTHS.items():
        value = getattr(row, name)
        if not value.strip() or len(value) > length:
            raise _refuse(name, value, f"write 1 to {length} characters, or * for every one")
    if ANY in row.model[:-1]:
        raise _refuse("model", row.model, "only the last character may be *")
    if not CURRENCY.fullmatch(row.currency):
        raise _refuse("currency", row.currency, "write three letters such as EUR")
    if row.kind in ("fixed", "included") and row.metric == ANY:
        raise _refuse("metric", row.metric, f"{row.kind} is for a unit, e.g. input_tokens")
    if row.kind == "minimum" and {row.provider, row.model, row.metric} != {ANY}:
        raise _refuse("kind", row.kind, "a minimum charge is for everything a customer uses")


def _check_amount(row: CustomerPrice) -> None:
    amount = row.amount
    if row.kind in ("markup", "discount") and amount != amount.quantize(Decimal("1E-6")):
        raise _refuse(row.kind, amount, "write at most 4 decimals of a percent")
    if row.kind == "discount" and not 0 < amount <= 1:
        raise _refuse(row.kind, amount, "write a discount above 0 and up to 100 percent")
    if row.kind == "markup" and amount > MAX_MARKUP:
        raise _refuse(row.kind, amount, f"write at most {MAX_MARKUP * 100:f} percent")
    if amount and not SMALLEST <= amount <= LARGEST:
        raise _refuse("amount", amount, f"write 0, or {SMALLEST:f} to {LARGEST:f}")
    if row.kind == "included" and amount != amount.to_integral_value():
        raise _refuse("amount", amount, f"write a whole number of {row.metric}")
    if not 0 < row.per <= 10**12:
        raise _refuse("per", row.per, "write a whole number of units above 0")


def find_overlap(row: CustomerPrice, others: Iterable[CustomerPrice]) -> CustomerPrice | None:
    """Find a row that answers the same question as `row` at some time; None if there is none."""
    key = _key(row)
    for other in others:
        starts_before_end = other.valid_to_ns is None or row.valid_from_ns < other.valid_to_ns
        ends_after_start = row.valid_to_ns is None or other.valid_from_ns < row.valid_to_ns
        holds_ever = other.valid_to_ns != other.valid_from_ns
        if _key(other) == key and starts_before_end and ends_after_start and holds_ever:
            return other
    return None


def _key(row: CustomerPrice) -> tuple[str, ...]:
    slot = _SLOT.get(row.kind, row.kind)
    return slot, row.tenant_id, row.customer_id, row.provider, row.model, row.metric


def describe_price(row: CustomerPrice) -> str:
    """Describe a row in one line, for messages and statements."""
    number = f"row {row.id}" if row.id is not None else row.position or "the new row"
    scope = [
        f"{name} {value}"
        for name, value in (
            ("customer", row.customer_id),
            ("provider", row.provider),
            ("model", row.model),
        )
        if value != ANY
    ]
    period = f"from {format_time(row.valid_from_ns)}" if row.valid_from_ns else "from the beginning"
    if row.valid_to_ns is not None:
        period += f" to {format_time(row.valid_to_ns)}"
    return f"{number}: {_describe_amount(row)}, {', '.join(scope) or 'every customer'}, {period}"


def _describe_amount(row: CustomerPrice) -> str:
    amount = format_number(row.amount)
    match row.kind:
        case "markup" | "discount":
            on = "" if row.metric == ANY else f" on {row.metric}"
            return f"{row.kind} {format_number(row.amount * 100)} %{on}"
        case "fixed":
            return f"fixed {amount} {row.currency} per {row.per} {row.metric}"
        case "included":
            return f"included {amount} {row.metric} a month"
        case "minimum":
            return f"minimum {amount} {row.currency} a month"


def format_number(number: Decimal) -> str:
    """Write a decimal without exponent and without zeros at its end."""
    return f"{number:f}".rstrip("0").rstrip(".") if number % 1 else f"{number:.0f}"


def _refuse(name: str, value: object, advice: str) -> CustomerPriceError:
    return CustomerPriceError(f"{name} {str(value)!r}: {advice}")
