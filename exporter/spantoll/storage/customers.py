"""The table of what customers pay, and how it is read and added to.

Input: customer prices. Output: rows that are never edited or deleted; an open one can be given its
end, once. Amounts are text, so that they stay exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Table,
    func,
    insert,
    select,
    update,
)

from spantoll.customers import (
    NO_FILE,
    BookVersion,
    CustomerPrice,
    FilePrices,
    PriceBook,
    describe_price,
    find_overlap,
    normalise_price,
)
from spantoll.customers.times import format_time
from spantoll.errors import CustomerPriceError
from spantoll.records.column_spec import identity, text
from spantoll.records.columns import metadata
from spantoll.storage.audit_events import add_audit_event
from spantoll.storage.own_prices import exchange_rate, read_exchange_rates

__all__ = [
    "add_customer_prices",
    "customer_price",
    "end_customer_price",
    "read_price_book",
]

customer_price = Table(
    "customer_price",
    metadata,
    Column("id", identity, primary_key=True),
    Column("tenant_id", text(64), nullable=False),
    Column("customer_id", text(128), nullable=False),
    Column("provider", text(64), nullable=False),
    Column("model", text(191), nullable=False),
    Column("metric", text(64), nullable=False),
    Column("kind", text(16), nullable=False),
    Column("amount", text(40), nullable=False),
    Column("per", BigInteger, nullable=False),
    Column("currency", text(3), nullable=False),
    Column("valid_from_ns", BigInteger, nullable=False),
    Column("valid_to_ns", BigInteger),
    Column("created_ns", BigInteger, nullable=False),
    Column("ended_ns", BigInteger),
)

_p = customer_price.c
_version = select(
    func.coalesce(func.max(_p.id), 0),
    func.count(_p.ended_ns),
    select(func.coalesce(func.max(exchange_rate.c.id), 0)).scalar_subquery(),
    select(func.count(exchange_rate.c.withdrawn_ns)).scalar_subquery(),
)
_stored = [name for name in CustomerPrice._fields if name != "position"]
_prices = select(*(_p[name] for name in _stored)).order_by(_p.id)


def read_price_book(
    connection: Connection, known: PriceBook | None = None, *, file: FilePrices = NO_FILE
) -> PriceBook:
    """Read what customers pay; return `known` itself where nothing has changed since.

    Raises CustomerPriceError for a row of `file` that overlaps another one.
    """
    version = BookVersion(*connection.execute(_version).one())._replace(file=file)
    if known is not None and known.version == version:
        return known
    prices = [
        CustomerPrice(**{**row._asdict(), "amount": Decimal(row.amount)})
        for row in connection.execute(_prices)
    ]
    for price in file.prices:
        _refuse_overlap(price, prices)
        prices.append(price)
    rates = (*file.exchange_rates, *read_exchange_rates(connection))
    return PriceBook(prices, rates, version=version)


def _refuse_overlap(price: CustomerPrice, others: Sequence[CustomerPrice]) -> None:
    overlapped = find_overlap(price, others)
    if overlapped is not None:
        raise CustomerPriceError(
            f"{describe_price(price)} overlaps {describe_price(overlapped)}; "
            "give the older one an end first"
        )


def add_customer_prices(
    connection: Connection,
    prices: Sequence[CustomerPrice],
    *,
    now_ns: int,
    by: str | None = None,
    file: FilePrices = NO_FILE,
) -> Sequence[CustomerPrice]:
    """Add rows, all or none of them, and return them with their numbers.

    A row that is there already is not added again. With `by`, who asks for it, the audit names the
    rows. Raises CustomerPriceError for a row that is wrong, or that overlaps another one: stored,
    new, or of the configuration file.
    """
    stored = list(read_price_book(connection, file=file).prices)
    added = []
    for price in map(normalise_price, prices):
        same = next((row for row in stored if row._replace(id=None) == price), None)
        if same is not None:
            continue
        _refuse_overlap(price, stored)
        row = price._asdict() | {"amount": f"{price.amount:f}", "created_ns": now_ns}
        del row["id"], row["position"]
        keys = connection.execute(insert(customer_price), row).inserted_primary_key
        added.append(price._replace(id=keys[0] if keys is not None else None))
        stored.append(added[-1])
    if by is not None and added:
        what = f"added rows {[row.id for row in added]}"
        add_audit_event(connection, "customers", by=by, why=what, now_ns=now_ns, records=len(added))
    return added


def end_customer_price(
    connection: Connection, number: int, *, end_ns: int, now_ns: int, by: str | None = None
) -> CustomerPrice:
    """Give an open row its end (exclusive) and return it; ended where it began, it never holds.

    With `by`, who asks for it, the audit names the row. Raises CustomerPriceError where there is no
    such row, it has an end, or begins later.
    """
    book = read_price_book(connection)
    price = next((row for row in book.prices if row.id == number), None)
    if price is None:
        raise CustomerPriceError(f"there is no customer price {number}")
    if price.valid_to_ns is not None:
        raise CustomerPriceError(f"{describe_price(price)}: it has an end already")
    if end_ns < price.valid_from_ns:
        raise CustomerPriceError(f"{describe_price(price)}: it begins after {format_time(end_ns)}")
    connection.execute(
        update(customer_price).where(_p.id == number).values(valid_to_ns=end_ns, ended_ns=now_ns)
    )
    if by is not None:
        what = f"ended row {number}"
        add_audit_event(connection, "customers", by=by, why=what, now_ns=now_ns, records=1)
    return price._replace(valid_to_ns=end_ns)
