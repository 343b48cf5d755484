"""What a customer is charged for one call: its revenue.

Input: a priced record, the price row of its cost, and the customer prices. Output: integer
nano-USD with the rows that made it, or the reason why it is unknown. Each line is rounded half-even
once. Pure: the same record and the same rows always give the same revenue.

A fixed rate prices the call's own quantities, so that it needs no cost. A markup is applied to the
cost of what no fixed rate prices. A discount is taken off what either of them charges; without
them it is taken off the cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple

from spantoll.customers.book import PriceBook
from spantoll.customers.price import ANY, PPM, CustomerPrice
from spantoll.pricing.arithmetic import LEDGER_MAX_NANO, Price, compile_row, half_even, line_nano
from spantoll.pricing.bill import make_bill
from spantoll.pricing.lines import UNPRICED, UNREPORTED, Bill
from spantoll.pricing.metrics import split_metric
from spantoll.pricing.result import Rate, UnitPrice
from spantoll.records.read import to_call
from spantoll.records.record import UsageRecord

__all__ = [
    "REVENUE_COLUMNS",
    "Revenue",
    "RevenueLine",
    "charge_record",
    "compute_revenue",
    "find_price",
]

REVENUE_COLUMNS = ("revenue_nano", "markup_ppm", "customer_price_id", "revenue_reason")
"""The columns that `charge_record` fills."""

MAX_REASON = 254
FIXED: Final = "customer"
"""The source of a unit price that is a fixed rate."""


class RevenueLine(NamedTuple):
    """The charge for one metric of a call, or for all of it."""

    metric: str
    """`*` where a markup is applied to the cost as a whole."""
    quantity: int | Decimal
    nano: int
    price: CustomerPrice | None
    """The markup or fixed rate; None where there is only a discount."""
    discount: CustomerPrice | None


class Revenue(NamedTuple):
    """What a customer is charged for a call; `nano` is None where that is unknown."""

    nano: int | None
    reason: str | None = None
    """Why it is unknown, or which rows made it where they are several."""
    lines: tuple[RevenueLine, ...] = ()


class _Unknown(Exception):
    """Raised where a part of a call has no charge; the argument is the reason."""


def charge_record(record: UsageRecord, book: PriceBook, *, rate: Rate | None) -> UsageRecord:
    """Return the record with its revenue by today's customer prices; `rate` priced its cost."""
    revenue = compute_revenue(record, book, rate=rate)
    made_by = {line.price for line in revenue.lines if line.price is not None}
    only = next(iter(made_by)) if len(made_by) == 1 else None
    return record._replace(
        revenue_nano=revenue.nano,
        markup_ppm=int(only.amount * PPM) if only is not None and only.kind == "markup" else None,
        customer_price_id=only.id if only is not None else None,
        revenue_reason=revenue.reason,
    )


def compute_revenue(
    record: UsageRecord, book: PriceBook, *, rate: Rate | None, by_metric: bool = False
) -> Revenue:
    """Compute what the customer of a record is charged for it; `rate` priced its cost.

    `rate` is the row that the record names by `rate_id`, None where it names none. With
    `by_metric`, a markup of the whole cost is split by metric too, each line rounded by itself.
    """
    if not book:
        return Revenue(None)
    if record.customer_id is None:
        return Revenue(None, "no customer")
    prices = book.find_for_record(record)
    charges = [price for price in prices if price.kind in ("markup", "fixed")]
    discounts = [price for price in prices if price.kind == "discount"]
    if not charges and not discounts:
        return Revenue(None, "no customer price")
    if record.cost_source == "none":  # a refused call, or an answer from a cache: nobody was called
        return Revenue(0, record.pricing_reason)
    try:
        if not by_metric and all(price.metric == ANY for price in (*charges, *discounts)):
            lines = [_mark_up_cost(record, charges, discounts)]
        else:
            lines = _charge_lines(record, charges, discounts, book, rate)
    except _Unknown as unknown:
        return Revenue(None, str(unknown)[:MAX_REASON])
    nano = sum(line.nano for line in lines)
    if nano > LEDGER_MAX_NANO:
        return Revenue(None, "out of range")
    return Revenue(nano, _name_rows(lines), tuple(lines))


def _mark_up_cost(
    record: UsageRecord, charges: Sequence[CustomerPrice], discounts: Sequence[CustomerPrice]
) -> RevenueLine:
    """Mark up the cost as a whole. Raises _Unknown where there is none."""
    if record.cost_nano is None:
        raise _Unknown("no cost")
    price = charges[0] if charges else None
    return _make_line(ANY, record.requests, _mark_up(record.cost_nano, price), price, discounts)


def _charge_lines(
    record: UsageRecord,
    charges: Sequence[CustomerPrice],
    discounts: Sequence[CustomerPrice],
    book: PriceBook,
    rate: Rate | None,
) -> list[RevenueLine]:
    """Charge a call metric by metric. Raises _Unknown where one has no charge.

    The call is divided once, by a row of the fixed rates and of the cost's prices for the rest, so
    that no part of it is charged twice or left out.
    """
    fixed = {
        price.metric: price
        for price in charges
        if price.kind == "fixed" and find_price(price.metric, charges) is price
    }
    if not fixed and record.cost_nano is None:
        raise _Unknown("no cost")
    if not fixed and rate is None:
        raise _Unknown("the cost is not known by metric")
    row = compile_row(_make_rate(record, fixed, charges, book, rate))
    bill = make_bill(to_call(record), row)
    if fixed:
        _check_complete(bill)
    lines = []
    for price, quantity in bill.lines:
        is_fixed = price.unit.source == FIXED
        found = fixed[price.unit.metric] if is_fixed else find_price(price.metric, charges)
        if found is None and charges:
            raise _Unknown(f"no customer price for {price.metric}")
        nano = _exact_nano(price, quantity)
        if not is_fixed:
            nano = _mark_up(line_nano(price, quantity), found)
        lines.append(_make_line(price.metric, quantity, nano, found, discounts))
    return lines


def _make_rate(
    record: UsageRecord,
    fixed: Mapping[str, CustomerPrice],
    charges: Sequence[CustomerPrice],
    book: PriceBook,
    rate: Rate | None,
) -> Rate:
    """Join the fixed rates with the cost's prices of the metrics that are marked up.

    Cached input without either pays the rate of input, as at a provider without a price for it.
    """
    prices = []
    for price in fixed.values():
        usd = book.to_usd(price.amount, price.currency, time_ns=record.started_ns)
        if usd is None:
            raise _Unknown(f"no exchange rate of {price.currency}")
        prices.append(UnitPrice(price.metric, usd, price.per, FIXED))
    for unit in rate.prices if rate is not None else ():
        found = find_price(unit.metric, charges)
        if not fixed or (found is not None and found.kind == "markup"):
            prices.append(unit)
    names = (rate.provider, rate.model) if rate else (record.provider or "", record.model or "")
    return Rate(0, *names, "", tuple(prices), "", "", FIXED, "")


def _check_complete(bill: Bill) -> None:
    """Raise _Unknown where a part of a call has no price or is not known."""
    if unpriced := bill.texts_of(UNPRICED):
        raise _Unknown(f"no price for {', '.join(unpriced)}")
    if unreported := bill.texts_of(UNREPORTED):
        raise _Unknown(f"{', '.join(unreported)} not reported")
    if not bill.lines:
        raise _Unknown("no usage")


def find_price(metric: str, prices: Iterable[CustomerPrice]) -> CustomerPrice | None:
    """Find the most specific of the matching rows for a metric; `images` is for every size."""
    names = (ANY, metric, split_metric(metric)[0])
    return next((price for price in prices if price.metric in names), None)


def _make_line(
    metric: str,
    quantity: int | Decimal,
    nano: Fraction,
    price: CustomerPrice | None,
    discounts: Iterable[CustomerPrice],
) -> RevenueLine:
    """Take the discount off a charge and round it, once."""
    discount = find_price(metric, discounts)
    if discount is not None:
        nano *= 1 - Fraction(discount.amount)
    rounded = half_even(nano.numerator, nano.denominator)
    return RevenueLine(metric, quantity, rounded, price, discount)


def _mark_up(nano: int, price: CustomerPrice | None) -> Fraction:
    return nano * (1 + Fraction(price.amount)) if price is not None else Fraction(nano)


def _exact_nano(price: Price, quantity: int | Decimal) -> Fraction:
    return Fraction(quantity) * price.numerator / price.denominator


def _name_rows(lines: Iterable[RevenueLine]) -> str | None:
    """Name the rows that made the revenue, but for a single one that `customer_price_id` names."""
    prices = {line.price for line in lines if line.price is not None}
    discounts = {line.discount for line in lines if line.discount is not None}
    only = next(iter(prices)) if len(prices) == 1 else None
    if only is not None and only.id is not None:
        prices.clear()
    named = [f"customer price {name}" for name in _sort_names(prices)]
    named += [f"discount {name}" for name in _sort_names(discounts)]
    return ", ".join(named)[:MAX_REASON] or None


def _sort_names(prices: Iterable[CustomerPrice]) -> list[str]:
    """Return the numbers of stored rows in order, then the positions of those of the file."""
    ordered = sorted(prices, key=lambda price: (price.id is None, price.id or 0, price.position))
    return [price.position if price.id is None else str(price.id) for price in ordered]
