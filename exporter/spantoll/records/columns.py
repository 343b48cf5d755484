"""The table `usage_record`: the fields of `UsageRecord`, its identity and its indexes.

Input: `COLUMNS` of `records/record.py`. Output: the SQLAlchemy table that storage writes and query
reads, spelled for every database.
"""

from __future__ import annotations

from sqlalchemy import (
    Column,
    ColumnElement,
    Index,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    and_,
    func,
    literal_column,
    or_,
)

from spantoll.records.column_spec import identity
from spantoll.records.record import COLUMNS

__all__ = ["ADJUSTED", "FACTS", "may_be_stream_part", "metadata", "usage_record"]

metadata = MetaData()

FACTS = "facts"
"""JSON of the columns that settling changed, as the own span reported them; NULL = none."""

ADJUSTED = "adjusted"
"""JSON of the columns that differ from what the record's closed period has; NULL = none."""

usage_record = Table(
    "usage_record",
    metadata,
    Column("id", identity, primary_key=True),
    *(Column(name, spec.type, nullable=spec.nullable) for name, spec in COLUMNS.items()),
    Column(FACTS, Text, nullable=True),
    Column(ADJUSTED, Text, nullable=True),
    # The identity of a record, and what finds the other spans of its trace.
    UniqueConstraint("tenant_id", "trace_id", "span_id", name="uq_usage_record_span"),
)

# Literals and not parameters: SQLite compares the text of a query with that of its indexes.
_zero: ColumnElement[int] = literal_column("0")
may_be_stream_part = or_(
    usage_record.c.duration_ns == _zero,
    usage_record.c[FACTS].is_not(None),
    and_(
        func.coalesce(usage_record.c.input_tokens, _zero) <= _zero,
        func.coalesce(usage_record.c.output_tokens, _zero) <= _zero,
    ),
)
"""Whether a record can be a part of a stream: zero-length, merged before, or without tokens."""

# What is directly below a span, and of a trace's roots those whose usage another root may report.
# Trace ids are random, so each entry is on a page of its own, which its commit writes: the roots
# that have their usage, most records of applications that trace nothing else, have no entry.
# In this order: SQLite compares the condition of a query with either side of the last OR.
_looked_for = or_(may_be_stream_part, usage_record.c.parent_span_id.is_not(None))
Index(
    "ix_usage_record_parent",
    usage_record.c.trace_id,
    usage_record.c.parent_span_id,
    sqlite_where=_looked_for,
    postgresql_where=_looked_for,
)
_aggregate = usage_record.c.role == "aggregate"
Index(
    "ix_usage_record_aggregate",
    usage_record.c.trace_id,
    usage_record.c.started_ns,
    sqlite_where=_aggregate,
    postgresql_where=_aggregate,
)
# Every further index costs each insert; reports read roll-ups or a time range.
Index("ix_usage_record_started", usage_record.c.started_ns)
# Without it, the newest records of a rare user are found by reading a whole period. Inserts take
# about a tenth more time for it.
_has_user = usage_record.c.user_id.is_not(None)
Index(
    "ix_usage_record_user",
    usage_record.c.user_id,
    usage_record.c.started_ns,
    sqlite_where=_has_user,
    postgresql_where=_has_user,
)
Index(
    "ix_usage_record_response",
    usage_record.c.response_key,
    sqlite_where=usage_record.c.response_key.is_not(None),
    postgresql_where=usage_record.c.response_key.is_not(None),
)
Index(
    "ix_usage_record_usage",
    usage_record.c.usage_key,
    usage_record.c.response_key,
    sqlite_where=usage_record.c.usage_key.is_not(None),
    postgresql_where=usage_record.c.usage_key.is_not(None),
)
# Calls without an id are few: whether there are any is asked before every write.
_no_response = usage_record.c.response_key.is_(None) & usage_record.c.usage_key.is_not(None)
Index(
    "ix_usage_record_no_response",
    usage_record.c.response_key,
    usage_record.c.usage_key,
    usage_record.c.scope_name,
    sqlite_where=_no_response,
    postgresql_where=_no_response,
)
