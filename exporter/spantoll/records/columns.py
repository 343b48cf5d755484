from __future__ import annotations

from typing import Any, get_args, get_type_hints

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

from spantoll.records.record import UsageRecord

__all__ = ["FACTS", "binary", "identity", "metadata", "text", "usage_record"]

metadata = MetaData()

FACTS = "facts"
"""JSON of the columns that settling changed, as the record's own span told them; NULL = none."""

identity = BigInteger().with_variant(Integer(), "sqlite")
"""A surrogate key: only INTEGER is the rowid of SQLite."""


def text(length: int) -> TypeEngine[str]:
    """Text of bounded length. MySQL would take `GPT-4O` and `gpt-4o` for the same word."""
    exact = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin")
    return String(length).with_variant(exact, "mysql", "mariadb")


def binary(length: int) -> TypeEngine[bytes]:
    """Bytes of bounded length: an id. MySQL cannot index a BLOB."""
    return LargeBinary(length).with_variant(mysql.VARBINARY(length), "mysql", "mariadb")


def _on_every_database(kind: TypeEngine[Any] | type[TypeEngine[Any]]) -> TypeEngine[Any]:
    found = kind() if isinstance(kind, type) else kind
    if isinstance(found, String) and not isinstance(found, Text) and found.length:
        return text(found.length)
    if isinstance(found, LargeBinary) and found.length:
        return binary(found.length)
    return found


def _columns() -> list[Column[Any]]:
    columns = []
    for name, hint in get_type_hints(UsageRecord, include_extras=True).items():
        python_type, kind = get_args(hint)
        nullable = type(None) in get_args(python_type)
        columns.append(Column(name, _on_every_database(kind), nullable=nullable))
    return columns


usage_record = Table(
    "usage_record",
    metadata,
    Column("id", identity, primary_key=True),
    *_columns(),
    Column(FACTS, Text, nullable=True),
    # The identity of a record, and what finds the other spans of its trace.
    UniqueConstraint("tenant_id", "trace_id", "span_id", name="uq_usage_record_span"),
)

# Every further index costs each insert; reports read roll-ups or a time range.
Index("ix_usage_record_started", usage_record.c.started_ns)
Index(
    "ix_usage_record_response",
    usage_record.c.response_key,
    sqlite_where=usage_record.c.response_key.is_not(None),
    postgresql_where=usage_record.c.response_key.is_not(None),
)
Index(
    "ix_usage_record_twin",
    usage_record.c.twin_key,
    usage_record.c.response_key,
    sqlite_where=usage_record.c.twin_key.is_not(None),
    postgresql_where=usage_record.c.twin_key.is_not(None),
)
# Calls without an id are few: whether there are any is asked before every write.
_nameless = usage_record.c.response_key.is_(None) & usage_record.c.twin_key.is_not(None)
Index(
    "ix_usage_record_nameless",
    usage_record.c.response_key,
    usage_record.c.twin_key,
    usage_record.c.scope_name,
    sqlite_where=_nameless,
    postgresql_where=_nameless,
)
