"""Add the user's own prices to the ledger, each change in one transaction.

Input: checked rows. Output: what was added, withdrawn and there already. A row that overlaps one in
force is refused, or, on demand, ends it: the older row is withdrawn and its remainder added again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from spantoll.pipeline.user_pricing import read_file_pricing
from spantoll.pricing import UserPricing
from spantoll.pricing.exchange import ExchangeRate
from spantoll.pricing.own_prices import OwnPrice, find_overlap, read_own_price
from spantoll.pricing.own_text import write_amount
from spantoll.pricing.shipped import PriceDataError
from spantoll.pricing.timeline import instant_ns
from spantoll.storage import Store, change_pricing
from spantoll.storage.own_prices import Change, StoredPricing, StoredRow, exchange_rate, own_price

__all__ = ["Added", "add_exchange_rate", "add_prices"]


class Added(NamedTuple):
    """What a change did to the ledger's own prices."""

    added: tuple[OwnPrice, ...]
    unchanged: int
    """Rows that were there already, with the same amount and dates."""
    ended: tuple[OwnPrice, ...]
    """Rows that were withdrawn because a new one takes their place."""


def add_prices(
    store: Store, rows: Sequence[OwnPrice], *, replace: bool = False, now_ns: int
) -> Added:
    """Add rows to the ledger's own prices; with `replace` they end those they overlap.

    Raises PriceDataError naming both rows where two overlap, or where a currency has no rate, and
    StoreUnavailable; then nothing was changed.
    """
    done = Added((), 0, ())

    def decide(stored: StoredPricing) -> Change:
        nonlocal done
        in_force = {
            _content(price): (price, row)
            for row in stored.in_force
            if row.table == own_price.name
            for price in (read_own_price(row.values, f"row {row.id} of the ledger"),)
        }
        new = [row for row in rows if _content(row) not in in_force]
        ended = [
            (price, row)
            for price, row in in_force.values()
            if replace and any(find_overlap((price, each)) for each in new)
        ]
        rest = [part for price, _ in ended for part in _remainders(price, new)]
        withdrawn = {row.id for _, row in ended}
        kept = [price for price, row in in_force.values() if row.id not in withdrawn]
        prices = (*kept, *rest, *new)
        _check(UserPricing(tuple(prices), stored.pricing.exchange_rates), can_replace=not replace)
        done = Added(tuple(new), len(rows) - len(new), tuple(price for price, _ in ended))
        return Change([(own_price, _values(row)) for row in (*rest, *new)], [r for _, r in ended])

    change_pricing(store, decide, now_ns=now_ns)
    return done


def add_exchange_rate(store: Store, rate: ExchangeRate, *, replace: bool, now_ns: int) -> None:
    """Add what a currency is in USD; with `replace` it ends the rate in force on its first day.

    Raises what `add_prices` raises.
    """

    def decide(stored: StoredPricing) -> Change:
        add = [rate]
        ended: list[StoredRow] = []
        for row in stored.in_force if replace else ():
            same = row.table == exchange_rate.name and row.values["currency"] == rate.currency
            if same and not row.values["valid_to"]:
                ended.append(row)
                if row.values["valid_from"] < rate.valid_from:
                    earlier = stored.pricing.exchange_rates
                    position = f"exchange rate {row.id} of the ledger"
                    add += [
                        each._replace(valid_to=rate.valid_from)
                        for each in earlier
                        if each.position == position
                    ]
        gone = {f"exchange rate {row.id} of the ledger" for row in ended}
        kept = [each for each in stored.pricing.exchange_rates if each.position not in gone]
        _check(
            UserPricing(stored.pricing.prices, (*kept, *add)),
            can_replace=not replace,
        )
        return Change([(exchange_rate, _rate_values(each)) for each in add], ended)

    change_pricing(store, decide, now_ns=now_ns)


def _check(stored: UserPricing, *, can_replace: bool) -> None:
    try:
        read_file_pricing().join(stored).check()
    except PriceDataError as error:
        if can_replace and "overlap" in str(error):
            raise PriceDataError(f"{error}; --replace ends the older row") from None
        raise


def _content(row: OwnPrice) -> OwnPrice:
    return row._replace(position="", amount=row.amount.normalize())


def _remainders(price: OwnPrice, new: Sequence[OwnPrice]) -> Iterator[OwnPrice]:
    """Yield the parts of a row's validity in which no new row takes its place."""
    parts = [price]
    for row in new:
        parts = [rest for part in parts for rest in _subtract(part, row)]
    return iter(parts)


def _subtract(price: OwnPrice, row: OwnPrice) -> Iterator[OwnPrice]:
    if find_overlap((price, row)) is None:
        yield price
        return
    before = price._replace(valid_to=row.valid_from)
    if row.valid_from and find_overlap((before, row)) is None and _is_period(before):
        yield before
    after = price._replace(valid_from=row.valid_to)
    if row.valid_to and find_overlap((after, row)) is None and _is_period(after):
        yield after


def _is_period(row: OwnPrice) -> bool:
    if not (row.valid_from and row.valid_to):
        return True
    return instant_ns(row.valid_from) < instant_ns(row.valid_to)


def _values(row: OwnPrice) -> dict[str, object]:
    values = row._asdict()
    del values["position"]
    return {**values, "amount": write_amount(row.amount)}


def _rate_values(rate: ExchangeRate) -> dict[str, object]:
    return {
        "currency": rate.currency,
        "usd": write_amount(rate.usd),
        "valid_from": rate.valid_from,
        "valid_to": rate.valid_to,
    }
