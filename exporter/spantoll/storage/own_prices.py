"""The user's own prices in the ledger: rows that are added and withdrawn, never edited.

Input: checked rows. Output: the rows in force, with their ids. A change reads, decides and writes
in one transaction that holds off every other, so that two cannot both pass the check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Column, Connection, Engine, Table, select, update
from sqlalchemy.exc import DBAPIError

from spantoll.errors import ConfigurationError, StoreUnavailable
from spantoll.pricing import UserPricing
from spantoll.pricing.exchange import ExchangeRate, read_exchange_rate
from spantoll.pricing.own_prices import OwnPrice, read_own_price
from spantoll.records.column_spec import identity, text
from spantoll.records.columns import metadata
from spantoll.storage.sql import SqlStore
from spantoll.storage.store import Store

__all__ = [
    "Change",
    "StoredPricing",
    "StoredRow",
    "change_pricing",
    "exchange_rate",
    "own_price",
    "read_stored_pricing",
]

own_price = Table(
    "own_price",
    metadata,
    Column("id", identity, primary_key=True),
    Column("provider", text(64), nullable=False),
    Column("model", text(191), nullable=False),
    Column("metric", text(64), nullable=False),
    Column("amount", text(40), nullable=False),
    Column("per", BigInteger, nullable=False),
    Column("currency", text(3), nullable=False),
    Column("context", text(254), nullable=False),
    Column("valid_from", text(40), nullable=False),
    Column("valid_to", text(40), nullable=False),
    Column("note", text(254), nullable=False),
    Column("added_ns", BigInteger, nullable=False),
    Column("withdrawn_ns", BigInteger),
)

exchange_rate = Table(
    "exchange_rate",
    metadata,
    Column("id", identity, primary_key=True),
    Column("currency", text(3), nullable=False),
    Column("usd", text(40), nullable=False),
    Column("valid_from", text(40), nullable=False),
    Column("valid_to", text(40), nullable=False),
    Column("added_ns", BigInteger, nullable=False),
    Column("withdrawn_ns", BigInteger),
)

_HISTORY = frozenset({"id", "added_ns", "withdrawn_ns"})


class StoredRow(NamedTuple):
    """A row of one of the tables, as it was given."""

    id: int
    table: str
    values: Mapping[str, Any]
    added_ns: int
    withdrawn_ns: int | None


class StoredPricing(NamedTuple):
    """The rows in force, and all there ever were."""

    rows: tuple[StoredRow, ...]

    @property
    def in_force(self) -> Iterator[StoredRow]:
        """The rows that have not been withdrawn."""
        return (row for row in self.rows if row.withdrawn_ns is None)

    @property
    def pricing(self) -> UserPricing:
        """The rows in force, for pricing. Raises PriceDataError for a row that cannot be read."""
        prices: list[OwnPrice] = []
        rates: list[ExchangeRate] = []
        for row in self.in_force:
            if row.table == own_price.name:
                prices.append(read_own_price(row.values, f"row {row.id} of the ledger"))
            else:
                position = f"exchange rate {row.id} of the ledger"
                rates.append(read_exchange_rate(row.values, position))
        return UserPricing(tuple(prices), tuple(rates))


class Change(NamedTuple):
    """Rows to add, by table, and to withdraw."""

    add: Sequence[tuple[Table, Mapping[str, Any]]]
    withdraw: Sequence[StoredRow] = ()


def read_stored_pricing(engine: Engine) -> StoredPricing:
    """Read what the ledger holds. Raises StoreUnavailable."""
    try:
        with engine.connect() as connection:
            return _read(connection)
    except DBAPIError as error:
        raise StoreUnavailable(f"own prices cannot be read: {error.orig}") from error


def change_pricing(
    store: Store, decide: Callable[[StoredPricing], Change], *, now_ns: int
) -> Change:
    """Read, decide, write and return the change; what `decide` raises leaves all as it was.

    Raises ConfigurationError for a store that is no SQL database.
    """
    if not isinstance(store, SqlStore):
        raise ConfigurationError(f"{store.url} cannot keep prices: give them in spantoll.toml")
    with store.transaction() as connection:
        change = decide(_read(connection))
        for row in change.withdraw:
            table = metadata.tables[row.table]
            connection.execute(
                update(table)
                .where(table.c.id == row.id, table.c.withdrawn_ns.is_(None))
                .values(withdrawn_ns=now_ns)
            )
        for table, values in change.add:
            connection.execute(table.insert(), {**values, "added_ns": now_ns})
    return change


def _read(connection: Connection) -> StoredPricing:
    return StoredPricing(
        tuple(
            StoredRow(
                row.id,
                table.name,
                {each.name: row._mapping[each] for each in table.c if each.name not in _HISTORY},
                row.added_ns,
                row.withdrawn_ns,
            )
            for table in (own_price, exchange_rate)
            for row in connection.execute(select(table).order_by(table.c.id))
        )
    )
