"""What a customer is charged for a period: usage, included quantities, and a minimum charge.

Input: the counted records of one customer and one period in order of time, each with the price row
of its cost, and the customer prices. Output: a `Statement`. Pure.

Usage is charged as the records have it, in another currency at the exchange rate of the day of each
call. An included quantity is used up in order of time, by the most specific row for a unit, and
what those units were charged is a line of its own. The minimum charge is the one in force when the
month begins; a line of its own brings the total up to it. Both are of a calendar month: a period is
either made of whole months, whose statements are joined, or has neither.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Literal, NamedTuple

from spantoll.customers.book import PriceBook
from spantoll.customers.price import CustomerPrice, describe_price
from spantoll.customers.revenue import compute_revenue, find_price
from spantoll.customers.times import format_time
from spantoll.errors import CustomerPriceError
from spantoll.pricing.arithmetic import half_even
from spantoll.pricing.exchange import USD
from spantoll.pricing.result import Rate
from spantoll.records.record import UsageRecord

__all__ = ["Statement", "StatementLine", "join_statements", "make_statement"]

NANO = 10**9


class StatementLine(NamedTuple):
    """One line: calls of a model, an included quantity, or the minimum charge."""

    kind: Literal["usage", "included", "minimum"]
    item: str
    """Provider and model, or the customer price."""
    requests: int | None
    quantity: int | Decimal | None
    """Units of an included quantity that were used."""
    revenue_nano: int | None
    """Of the statement's currency; None where no call of the line has a known revenue."""
    cost_nano: int | None = None
    requests_without_cost: int = 0
    """Calls whose cost is not known, or only in part: `cost_nano` leaves something out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a customer is charged for a period, and what is not known of it."""

    customer_id: str
    start_ns: int
    end_ns: int
    currency: str
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

    @property
    def total_nano(self) -> int | None:
        """The sum of the lines; None where there are calls, and no charge of any is known."""
        return _sum_known(line.revenue_nano for line in self.lines)

    @property
    def lower_bound(self) -> bool:
        """Whether the total leaves out calls, those that are `unknown`."""
        return bool(self.unknown) and self.total_nano is not None

    @property
    def cost_nano(self) -> int | None:
        """What the calls whose cost is known cost; None where there are calls, and none is."""
        return _sum_known(line.cost_nano for line in self.lines if line.kind == "usage")

    @property
    def requests_without_cost(self) -> int:
        """Calls whose cost `cost_nano` leaves out, or knows only in part."""
        return sum(line.requests_without_cost for line in self.lines)

    @property
    def margin_nano(self) -> int | None:
        """Return the total without the cost; None where one of them is not known.

        Where charges or costs are left out of them, it may turn out higher or lower.
        """
        total, cost = self.total_nano, self.cost_nano
        return None if total is None or cost is None else total - cost


class _Currency:
    """Converts USD to the currency of a statement at the rates of the customer prices."""

    def __init__(self, book: PriceBook, currency: str) -> None:
        self._book = book
        self.name = currency

    def read_rate(self, time_ns: int) -> Decimal:
        """Return what one unit is in USD at a time. Raises CustomerPriceError if not known."""
        return self.convert(Decimal(1), self.name, time_ns=time_ns)

    def convert(self, amount: Decimal, currency: str, *, time_ns: int) -> Decimal:
        """Convert to USD. Raises CustomerPriceError for a currency without a rate."""
        usd = self._book.to_usd(amount, currency, time_ns=time_ns)
        if usd is None:
            day = format_time(time_ns - time_ns % (86_400 * NANO))
            raise CustomerPriceError(
                f"no exchange rate of {currency} on {day}: `spantoll prices exchange {currency} "
                f"USD --from {day}`"
            )
        return usd


class _Sum:
    """A sum of nano-USD, kept by exchange rate and rounded once."""

    def __init__(self) -> None:
        self._nano_by_rate: Counter[Decimal] = Counter()

    def add(self, nano: int, rate: Decimal) -> None:
        """Add an amount that is converted at `rate`, USD for one unit."""
        self._nano_by_rate[rate] += nano

    def round(self) -> int | None:
        """Return nano of the currency, half-even; None where nothing was added."""
        if not self._nano_by_rate:
            return None
        exact = sum(
            (nano / Fraction(rate) for rate, nano in self._nano_by_rate.items()), Fraction()
        )
        return half_even(exact.numerator, exact.denominator)


class _Usage:
    """Sums of the calls of one model."""

    def __init__(self) -> None:
        self.requests = self.requests_without_cost = 0
        self.revenue = _Sum()
        self.cost = _Sum()

    def add(self, record: UsageRecord, rate: Decimal) -> None:
        self.requests += record.requests
        if record.revenue_nano is not None:
            self.revenue.add(record.revenue_nano, rate)
        if record.cost_nano is not None:
            self.cost.add(record.cost_nano, rate)
        if record.cost_nano is None or record.pricing_status == "partial":
            self.requests_without_cost += record.requests

    def make_line(self, item: str) -> StatementLine:
        revenue, cost = self.revenue.round(), self.cost.round()
        left_out = self.requests_without_cost
        return StatementLine("usage", item, self.requests, None, revenue, cost, left_out)


class _Allowances:
    """What is left of the included quantities, and what the used units were charged."""

    def __init__(self, book: PriceBook, currency: _Currency) -> None:
        self._book = book
        self._currency = currency
        self.left: dict[CustomerPrice, Fraction] = {}
        self.credit: defaultdict[CustomerPrice, _Sum] = defaultdict(_Sum)

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
            self.credit[price].add(-nano, self._currency.read_rate(record.started_ns))
        return True

    def make_lines(self) -> Iterable[StatementLine]:
        for price, left in self.left.items():
            used = int(Fraction(price.amount) - left)
            yield StatementLine(
                "included", describe_price(price), None, used, self.credit[price].round() or 0
            )


def make_statement(
    records: Iterable[tuple[UsageRecord, Rate | None]],
    book: PriceBook,
    *,
    customer_id: str,
    tenant_id: str,
    start_ns: int,
    end_ns: int,
    currency: str = USD,
    is_month: bool = True,
) -> Statement:
    """Make the statement of a month, or of a period without prices that are of a month.

    Raises CustomerPriceError for a currency without a rate, or for a period that is no month where
    a price of the customer is for a month.
    """
    if not is_month:
        _refuse_monthly_prices(book, customer_id, tenant_id, start_ns=start_ns, end_ns=end_ns)
    money = _Currency(book, currency)
    usage: defaultdict[str, _Usage] = defaultdict(_Usage)
    unknown: Counter[str] = Counter()
    allowances = _Allowances(book, money)
    doubtful = unlisted = outdated = 0
    for record, rate in records:
        exchange = money.read_rate(record.started_ns)
        usage[f"{record.provider or '-'} {record.model or '-'}"].add(record, exchange)
        outdated += record.requests * _is_outdated(record, book, rate)
        if record.revenue_nano is None:
            unknown[record.revenue_reason or "no customer price"] += record.requests
            continue
        if record.markup_ppm is not None and record.pricing_status in ("estimated", "partial"):
            doubtful += record.requests
        if not allowances.take_off(record, rate):
            unlisted += record.requests
    lines = [sums.make_line(item) for item, sums in sorted(usage.items())]
    lines += allowances.make_lines()
    if is_month:
        minimum = book.find_minimum(customer_id, tenant_id=tenant_id, time_ns=start_ns)
        lines += _top_up(lines, minimum, money, start_ns=start_ns)
    return Statement(
        customer_id=customer_id,
        start_ns=start_ns,
        end_ns=end_ns,
        currency=currency,
        lines=lines,
        requests=sum(sums.requests for sums in usage.values()),
        unknown=dict(unknown.most_common()),
        doubtful_requests=doubtful,
        unlisted_requests=unlisted,
        outdated_requests=outdated,
    )


def join_statements(months: Sequence[tuple[str, Statement]]) -> Statement:
    """Join the statements of adjacent months, given with their names, into one of all of them.

    Usage of a model is one line; included quantities and minimum charges stay lines of their month.
    """
    first, last = months[0][1], months[-1][1]
    usage: dict[str, StatementLine] = {}
    others: list[StatementLine] = []
    unknown: Counter[str] = Counter()
    for name, month in months:
        unknown.update(month.unknown)
        for line in month.lines:
            if line.kind == "usage":
                known = usage.get(line.item)
                usage[line.item] = line if known is None else _add_lines(known, line)
            else:
                others.append(line._replace(item=f"{name}: {line.item}"))
    statements = [month for _, month in months]
    return replace(
        first,
        end_ns=last.end_ns,
        lines=[*(usage[item] for item in sorted(usage)), *others],
        requests=sum(month.requests for month in statements),
        unknown=dict(unknown.most_common()),
        doubtful_requests=sum(month.doubtful_requests for month in statements),
        unlisted_requests=sum(month.unlisted_requests for month in statements),
        outdated_requests=sum(month.outdated_requests for month in statements),
    )


def _add_lines(one: StatementLine, other: StatementLine) -> StatementLine:
    return one._replace(
        requests=(one.requests or 0) + (other.requests or 0),
        revenue_nano=_sum_known((one.revenue_nano, other.revenue_nano)),
        cost_nano=_sum_known((one.cost_nano, other.cost_nano)),
        requests_without_cost=one.requests_without_cost + other.requests_without_cost,
    )


def _sum_known(amounts: Iterable[int | None]) -> int | None:
    """Sum what is known; None where there are amounts, and none is known."""
    given = list(amounts)
    known = [nano for nano in given if nano is not None]
    return sum(known) if known or not given else None


def _refuse_monthly_prices(
    book: PriceBook, customer_id: str, tenant_id: str, *, start_ns: int, end_ns: int
) -> None:
    """Raise CustomerPriceError where an included quantity or a minimum holds in the period."""
    for price in book.list_of_customer(customer_id, tenant_id=tenant_id):
        ends_later = price.valid_to_ns is None or start_ns < price.valid_to_ns
        if price.kind in ("included", "minimum") and price.valid_from_ns < end_ns and ends_later:
            raise CustomerPriceError(
                f"{describe_price(price)}: it is for a calendar month, and the period is not made "
                "of whole months"
            )


def _is_outdated(record: UsageRecord, book: PriceBook, rate: Rate | None) -> bool:
    return compute_revenue(record, book, rate=rate).nano != record.revenue_nano


def _top_up(
    lines: Iterable[StatementLine],
    price: CustomerPrice | None,
    money: _Currency,
    *,
    start_ns: int,
) -> list[StatementLine]:
    """Make the line that brings a total up to the minimum charge; none where it is above it."""
    if price is None:
        return []
    exact = Fraction(price.amount)
    if price.currency != money.name:
        usd = money.convert(price.amount, price.currency, time_ns=start_ns)
        exact = Fraction(usd) / Fraction(money.read_rate(start_ns))
    nano = half_even(exact.numerator * NANO, exact.denominator)
    missing = nano - sum(line.revenue_nano or 0 for line in lines)
    if missing <= 0:
        return []
    return [StatementLine("minimum", describe_price(price), None, None, missing)]
