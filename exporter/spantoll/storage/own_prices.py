"""The user's prices and aliases in the ledger: rows that are added and withdrawn, never edited.

Input: checked rows. Output: the rows in force, with their ids. A change reads, decides and writes
in one transaction that holds off every other, so that two cannot both pass the check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import BigInteger, Column, Connection, Engine, Table, select, update
from sqlalchemy.exc import DBAPIError

from spantoll.errors import ConfigurationError, StoreUnavailable
from spantoll.pricing import UserPricing
from spantoll.pricing.exchange import ExchangeRate, read_exchange_rate
from spantoll.pricing.model_aliases import ModelAlias, read_model_alias
from spantoll.pricing.own_prices import OwnPrice, read_own_price
from spantoll.pricing.own_text import write_amount
from spantoll.records.column_spec import identity, text
from spantoll.records.columns import metadata
from spantoll.storage.audit_events import add_audit_event
from spantoll.storage.sql import SqlStore
from spantoll.storage.store import Store

__all__ = [
    "ALIASES",
    "EXCHANGE_RATES",
    "PRICES",
    "Change",
    "RowKind",
    "StoredPricing",
    "StoredRow",
    "change_pricing",
    "exchange_rate",
    "read_exchange_rates",
    "read_rows",
    "read_stored_pricing",
]

_HISTORY = frozenset({"id", "added_ns", "withdrawn_ns"})

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

model_alias = Table(
    "model_alias",
    metadata,
    Column("id", identity, primary_key=True),
    Column("provider", text(64), nullable=False),
    Column("model", text(191), nullable=False),
    Column("to_provider", text(64), nullable=False),
    Column("to_model", text(191), nullable=False),
    Column("region", text(64), nullable=False),
    Column("valid_from", text(40), nullable=False),
    Column("valid_to", text(40), nullable=False),
    Column("note", text(254), nullable=False),
    Column("added_ns", BigInteger, nullable=False),
    Column("withdrawn_ns", BigInteger),
)

R = TypeVar("R", OwnPrice, ExchangeRate, ModelAlias)


@dataclass(frozen=True, slots=True)
class RowKind(Generic[R]):
    """One kind of row that a user gives: where it is kept and how it is read."""

    field: str
    """Its field of `UserPricing`, and its section of the configuration file."""
    table: Table
    label: str
    """What a row is called in messages, with a place for its id."""
    read: Callable[[Mapping[str, Any], str], R]

    def values(self, row: R) -> dict[str, Any]:
        """Return the columns of a row; amounts are text, so that they stay exact."""
        given = row._asdict()
        return {
            name: write_amount(given[name]) if isinstance(given[name], Decimal) else given[name]
            for name in self.table.c.keys()  # noqa: SIM118  a collection of columns, by name
            if name not in _HISTORY
        }


PRICES = RowKind("prices", own_price, "row {} of the ledger", read_own_price)
EXCHANGE_RATES = RowKind(
    "exchange_rates", exchange_rate, "exchange rate {} of the ledger", read_exchange_rate
)
ALIASES = RowKind("aliases", model_alias, "alias {} of the ledger", read_model_alias)


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
        return UserPricing(
            prices=tuple(read_rows(self, PRICES)),
            exchange_rates=tuple(read_rows(self, EXCHANGE_RATES)),
            aliases=tuple(read_rows(self, ALIASES)),
        )


class Change(NamedTuple):
    """Rows of one table to add and to withdraw."""

    table: Table
    add: Sequence[Mapping[str, Any]]
    withdraw: Sequence[StoredRow] = ()


def read_rows(stored: StoredPricing, kind: RowKind[R]) -> dict[R, StoredRow]:
    """Read the rows of one kind that are in force. Raises PriceDataError."""
    return {
        kind.read(row.values, kind.label.format(row.id)): row
        for row in stored.in_force
        if row.table == kind.table.name
    }


def read_stored_pricing(engine: Engine) -> StoredPricing:
    """Read what the ledger holds. Raises StoreUnavailable."""
    try:
        with engine.connect() as connection:
            return _read(connection)
    except DBAPIError as error:
        raise StoreUnavailable(f"own prices cannot be read: {error.orig}") from error


def change_pricing(
    store: Store,
    decide: Callable[[StoredPricing], Change],
    *,
    by: str | None = None,
    now_ns: int,
) -> Change:
    """Read, decide, write and return the change; what `decide` raises leaves all as it was.

    With `by`, who asks for it, the audit names the rows.

    Raises ConfigurationError for a store that is no SQL database.
    """
    if not isinstance(store, SqlStore):
        raise ConfigurationError(f"{store.url} cannot keep prices: give them in spantoll.toml")
    with store.transaction() as connection:
        change = decide(_read(connection))
        table = change.table
        for row in change.withdraw:
            connection.execute(
                update(table)
                .where(table.c.id == row.id, table.c.withdrawn_ns.is_(None))
                .values(withdrawn_ns=now_ns)
            )
        added = [
            connection.execute(table.insert(), {**values, "added_ns": now_ns}).inserted_primary_key
            for values in change.add
        ]
        if by is not None and (added or change.withdraw):
            what = f"{table.name}: added {[row.id for row in added if row is not None]}, "
            what += f"ended {[row.id for row in change.withdraw]}"
            count = len(added) + len(change.withdraw)
            add_audit_event(connection, "prices", by=by, why=what, now_ns=now_ns, records=count)
    return change


def read_exchange_rates(connection: Connection) -> Sequence[ExchangeRate]:
    """Read the exchange rates in force. Raises PriceDataError for a row that cannot be read."""
    return _read(connection).pricing.exchange_rates


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
            for table in (own_price, exchange_rate, model_alias)
            for row in connection.execute(select(table).order_by(table.c.id))
        )
    )
