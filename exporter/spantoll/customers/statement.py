"""What a customer is charged for a period: usage, included quantities, and a minimum charge.

Input: the counted records of one customer and one period in order of time, each with the price row
of its cost, and the customer prices. Output: a `Statement`. Pure.

Usage is charged as the records have it. An included quantity is used up in order of time, by the
most specific row for a unit, and what those units were charged is a line of its own. The minimum
charge is the one in force when the period begins; a line of its own brings the total up to it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal, NamedTuple

from spantoll.customers.book import PriceBook
from spantoll.customers.price import CustomerPrice, describe_price
from spantoll.customers.revenue import compute_revenue, find_price
from spantoll.errors import CustomerPriceError
from spantoll.pricing.arithmetic import half_even, nano_usd
from spantoll.pricing.result import Rate
from spantoll.records.record import UsageRecord

__all__ = ["Statement", "StatementLine", "make_statement"]


class StatementLine(NamedTuple):
    """One line: calls of a model, an included quantity, or the minimum charge."""

    kind: Literal["usage", "included", "minimum"]
    item: str
    """Provider and model, or the customer price."""
    requests: int | None
    quantity: int | Decimal | None
    """Units of an included quantity that were used."""
    revenue_nano: int | None
    """None where no call of the line has a known revenue."""
    cost_nano: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a customer is charged for a period, and what is not known of it."""

    customer_id: str
    start_ns: int
    end_ns: int
    lines: Sequence[StatementLine]
    requests: int
    unknown: Mapping[str, int]
    """Calls whose revenue is not known, by reason."""
    doubtful_requests: int
    """Calls charged by a cost that is estimated or known only in part."""
    unlisted_requests: int
    """Calls whose charge cannot be split by unit, so that no included quantity was taken off."""
    outdated_requests: int
    """Calls whose revenue is not what today's customer prices give."""
    cost_nano: int
    """Of the calls whose cost is known."""

    @property
    def total_nano(self) -> int:
        """The sum of the lines; a lower bound where anything is `unknown`."""
        return sum(line.revenue_nano or 0 for line in self.lines)


class _Usage:
    """Sums of the calls of one model."""

    def __init__(self) -> None:
        self.requests = 0
        self.revenue_nano: int | None = None
        self.cost_nano: int | None = None

    def add(self, record: UsageRecord) -> None:
        self.requests += record.requests
        if record.revenue_nano is not None:
            self.revenue_nano = (self.revenue_nano or 0) + record.revenue_nano
        if record.cost_nano is not None:
            self.cost_nano = (self.cost_nano or 0) + record.cost_nano


class _Allowances:
    """What is left of the included quantities, and what the used units were charged."""

    def __init__(self, book: PriceBook) -> None:
        self._book = book
        self.left: dict[CustomerPrice, Fraction] = {}
        self.credit_nano: Counter[CustomerPrice] = Counter()

    def take_off(self, record: UsageRecord, rate: Rate | None) -> bool:
        """Use up included units of a call; return False where its charge cannot be split."""
        included = [
            price for price in self._book.find_for_record(record) if price.kind == "included"
        ]
        if not included or not record.revenue_nano:
            return True
        lines = compute_revenue(record, self._book, rate=rate, by_metric=True).lines
        charged = sum(line.nano for line in lines)
        if not charged:
            return False
        credit = 0
        for line in lines:
            price = find_price(line.metric, included)
            if price is None or not line.quantity:
                continue
            left = self.left.setdefault(price, Fraction(price.amount))
            used = min(left, Fraction(line.quantity))
            self.left[price] = left - used
            exact = (
                Fraction(record.revenue_nano * line.nano, charged) * used / Fraction(line.quantity)
            )
            nano = min(half_even(exact.numerator, exact.denominator), record.revenue_nano - credit)
            credit += nano
            self.credit_nano[price] += nano
        return True

    def make_lines(self) -> Iterable[StatementLine]:
        for price, left in self.left.items():
            used = int(Fraction(price.amount) - left)
            credit = -self.credit_nano[price]
            yield StatementLine("included", describe_price(price), None, used, credit)


def make_statement(
    records: Iterable[tuple[UsageRecord, Rate | None]],
    book: PriceBook,
    *,
    customer_id: str,
    tenant_id: str,
    start_ns: int,
    end_ns: int,
) -> Statement:
    """Make the statement of a period. Raises CustomerPriceError for a currency without a rate."""
    usage: defaultdict[str, _Usage] = defaultdict(_Usage)
    unknown: Counter[str] = Counter()
    allowances = _Allowances(book)
    doubtful = unlisted = outdated = 0
    for record, rate in records:
        usage[f"{record.provider or '-'} {record.model or '-'}"].add(record)
        outdated += record.requests * _is_outdated(record, book, rate)
        if record.revenue_nano is None:
            unknown[record.revenue_reason or "no customer price"] += record.requests
            continue
        if record.markup_ppm is not None and record.pricing_status in ("estimated", "partial"):
            doubtful += record.requests
        if not allowances.take_off(record, rate):
            unlisted += record.requests
    lines = [
        StatementLine("usage", item, sums.requests, None, sums.revenue_nano, sums.cost_nano)
        for item, sums in sorted(usage.items())
    ]
    lines += allowances.make_lines()
    lines += _top_up(lines, book, customer_id=customer_id, tenant_id=tenant_id, start_ns=start_ns)
    return Statement(
        customer_id=customer_id,
        start_ns=start_ns,
        end_ns=end_ns,
        lines=lines,
        requests=sum(sums.requests for sums in usage.values()),
        unknown=dict(unknown.most_common()),
        doubtful_requests=doubtful,
        unlisted_requests=unlisted,
        outdated_requests=outdated,
        cost_nano=sum(sums.cost_nano or 0 for sums in usage.values()),
    )


def _is_outdated(record: UsageRecord, book: PriceBook, rate: Rate | None) -> bool:
    return compute_revenue(record, book, rate=rate).nano != record.revenue_nano


def _top_up(
    lines: Iterable[StatementLine],
    book: PriceBook,
    *,
    customer_id: str,
    tenant_id: str,
    start_ns: int,
) -> list[StatementLine]:
    """Make the line that brings a total up to the minimum charge; none where it is above it."""
    price = book.find_minimum(customer_id, tenant_id=tenant_id, time_ns=start_ns)
    if price is None:
        return []
    usd = book.to_usd(price.amount, price.currency, time_ns=start_ns)
    nano = nano_usd(usd) if usd is not None else None
    if nano is None:
        raise CustomerPriceError(f"{describe_price(price)}: no exchange rate of {price.currency}")
    missing = nano - sum(line.revenue_nano or 0 for line in lines)
    if missing <= 0:
        return []
    return [StatementLine("minimum", describe_price(price), None, None, missing)]
