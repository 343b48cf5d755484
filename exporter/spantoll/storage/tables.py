"""The tables beside `usage_record`: the rates that records name, and the row that a ping writes.

A record names the `rate` that priced it instead of carrying its cost lines: lines are quantities
times rate, and both are immutable. A table comes with the feature that fills it. Key columns are
never NULL ('' instead): NULL breaks UNIQUE and sorts differently on every database.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, LargeBinary, SmallInteger, Table, Text

from spantoll.records.column_spec import text
from spantoll.records.columns import metadata

__all__ = ["probe", "rate"]

rate = Table(
    "rate",
    metadata,
    Column("rate_id", BigInteger, primary_key=True, autoincrement=False),
    Column("provider", text(64), nullable=False),
    Column("model", text(191), nullable=False),
    Column("context", text(254), nullable=False),
    Column("prices", Text, nullable=False),
    Column("effective_from", text(32), nullable=False),
    Column("effective_to", text(32), nullable=False),
    Column("source", text(16), nullable=False),
    Column("price_set", text(64), nullable=False),
)

probe = Table(
    "probe",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("written_ns", BigInteger, nullable=False),
    Column("padding", LargeBinary),
)
