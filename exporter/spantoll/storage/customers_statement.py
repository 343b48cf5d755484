"""Read the statement of a customer from the ledger.

Input: a customer and the months of a period in UTC nanoseconds. Output: a `Statement` of the
counted records that started in them, read in order of time and never all at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, Engine, select, true
from sqlalchemy.exc import DBAPIError

from spantoll.customers import NO_FILE, FilePrices
from spantoll.customers.statement import Statement, join_statements, make_statement
from spantoll.errors import RetentionError, StoreUnavailable
from spantoll.pricing.exchange import USD
from spantoll.pricing.result import Rate
from spantoll.records.columns import usage_record
from spantoll.records.record import UsageRecord
from spantoll.storage.customers import read_price_book
from spantoll.storage.rates import from_row
from spantoll.storage.retention import name_mark, read_deleted_before
from spantoll.storage.tables import rate as rate_table

__all__ = ["Part", "read_statement", "read_statement_of_parts"]

ROWS = 1_000
"""Records that are fetched at once."""

r = usage_record.c


class Part(NamedTuple):
    """A part of a period of which a statement is made by itself."""

    name: str
    start_ns: int
    end_ns: int
    is_month: bool = True


def read_statement(
    engine: Engine,
    customer_id: str,
    *,
    start_ns: int,
    end_ns: int,
    tenant_id: str = "default",
    file: FilePrices = NO_FILE,
) -> Statement:
    """Read what a customer is charged for a month [start, end); see `read_statement_of_parts`."""
    month = Part("", start_ns, end_ns)
    return read_statement_of_parts(engine, customer_id, [month], tenant_id=tenant_id, file=file)


def read_statement_of_parts(
    engine: Engine,
    customer_id: str,
    parts: Sequence[Part],
    *,
    currency: str = USD,
    tenant_id: str = "default",
    file: FilePrices = NO_FILE,
) -> Statement:
    """Read what a customer is charged for adjacent months, or for one other part of time.

    Raises CustomerPriceError for a currency without a rate, or a price that is of a month in a part
    that is none, RetentionError where records of the time are deleted, and StoreUnavailable.
    """
    try:
        with engine.connect() as connection:
            _check_kept(connection, parts)
            book = read_price_book(connection, file=file)
            statements = [
                (
                    part.name,
                    make_statement(
                        _read_records(
                            connection, tenant_id, customer_id, part.start_ns, part.end_ns
                        ),
                        book,
                        customer_id=customer_id,
                        tenant_id=tenant_id,
                        start_ns=part.start_ns,
                        end_ns=part.end_ns,
                        currency=currency,
                        is_month=part.is_month,
                    ),
                )
                for part in parts
            ]
            # Where a database shows no snapshot, records may have been deleted meanwhile.
            _check_kept(connection, parts)
    except DBAPIError as error:
        raise StoreUnavailable(f"cannot read the database: {error.orig}") from error
    return statements[0][1] if len(statements) == 1 else join_statements(statements)


def _check_kept(connection: Connection, parts: Sequence[Part]) -> None:
    mark_ns = read_deleted_before(connection)
    if any(part.start_ns < mark_ns for part in parts):
        raise RetentionError(
            f"records before {name_mark(mark_ns)} are deleted, and roll-ups have no lines of a "
            "statement: `spantoll usage --where customer_id=ID` shows the sums"
        )


def _read_records(
    connection: Connection, tenant_id: str, customer_id: str, start_ns: int, end_ns: int
) -> Iterator[tuple[UsageRecord, Rate | None]]:
    rates: dict[int | None, Rate | None] = {None: None}
    fields = [r[name] for name in UsageRecord._fields]
    wanted = (
        select(*fields)
        .where(
            r.started_ns >= start_ns,
            r.started_ns < end_ns,
            r.tenant_id == tenant_id,
            r.customer_id == customer_id,
            r.counted == true(),
        )
        .order_by(r.started_ns, r.id)
    )
    for row in connection.execute(wanted.execution_options(yield_per=ROWS)):
        record = UsageRecord._make(row)
        if record.rate_id not in rates:
            rates[record.rate_id] = _read_rate(connection, record.rate_id)
        yield record, rates[record.rate_id]


def _read_rate(connection: Connection, rate_id: int | None) -> Rate | None:
    row = connection.execute(select(rate_table).where(rate_table.c.rate_id == rate_id)).first()
    return from_row(row) if row is not None else None
