"""The tables beside `usage_record`: rates, what is unsettled, re-pricing, periods, retention.

A record names the `rate` that priced it instead of carrying its cost lines: lines are quantities
times rate, and both are immutable. A table comes with the feature that fills it. Key columns are
never NULL ('' instead): NULL breaks UNIQUE and sorts differently on every database.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, SmallInteger, Table, Text

from spantoll.records.column_spec import binary, identity, text
from spantoll.records.columns import metadata

__all__ = [
    "adjustment",
    "audit_event",
    "closed_period",
    "probe",
    "rate",
    "reprice_change",
    "reprice_run",
    "retention",
    "unsettled",
]

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

unsettled = Table(
    "unsettled",
    metadata,
    Column("first_id", BigInteger, primary_key=True, autoincrement=False),
    Column("last_id", BigInteger, nullable=False),
    Column("since_ns", BigInteger, nullable=False),
    Column("failure", text(254)),
)
"""Ranges of ids of `usage_record`, each written by one write, that `Settle` has not seen. `failure`
is why not, where it was tried."""

audit_event = Table(
    "audit_event",
    metadata,
    Column("event_id", identity, primary_key=True),
    Column("at_ns", BigInteger, nullable=False),
    Column("done_by", text(128), nullable=False),
    Column("action", text(16), nullable=False),
    Column("record_id", BigInteger),
    Column("records", BigInteger, nullable=False),
    Column("why", text(1024), nullable=False),
)
"""What was changed on purpose, with its author: see `storage/audit_events.py`."""

retention = Table(
    "retention",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("deleted_before_ns", BigInteger, nullable=False),
)
"""The UTC midnight before which records are deleted, 0 for none, in the row 1, which writers hold.
The row 2 is ClickHouse's: see `retention.is_whole`."""

probe = Table(
    "probe",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("written_ns", BigInteger, nullable=False),
    Column("padding", LargeBinary),
)

reprice_run = Table(
    "reprice_run",
    metadata,
    Column("run_id", identity, primary_key=True),
    Column("started_ns", BigInteger, nullable=False),
    Column("finished_ns", BigInteger),
    Column("done_by", text(128), nullable=False),
    Column("selection", Text, nullable=False),
    Column("rate_card", text(64), nullable=False),
    Column("state", text(16), nullable=False),
    Column("last_id", BigInteger, nullable=False),
    Column("end_id", BigInteger, nullable=False),
    Column("examined", BigInteger, nullable=False),
    Column("changed", BigInteger, nullable=False),
    Column("old_cost_nano", BigInteger, nullable=False),
    Column("new_cost_nano", BigInteger, nullable=False),
    Column("undone_ns", BigInteger),
    Column("undone_by", text(128)),
    Column("kept", BigInteger, nullable=False),
    Column("old_known", BigInteger),
    Column("new_known", BigInteger),
    Column("old_incomplete", BigInteger),
    Column("new_incomplete", BigInteger),
)
"""One re-pricing: what it was asked, how far it is (`last_id` of `end_id`), what it changed.
The counts that may be NULL are so in runs from before migration 0027."""

reprice_change = Table(
    "reprice_change",
    metadata,
    Column("run_id", BigInteger, primary_key=True, autoincrement=False),
    Column("record_id", BigInteger, primary_key=True, autoincrement=False),
    Column("old_values", Text, nullable=False),
    Column("new_values", Text, nullable=False),
)
"""What a run changed on one record: the changed columns as JSON, before and after."""

closed_period = Table(
    "closed_period",
    metadata,
    Column("period_id", identity, primary_key=True),
    Column("name", text(32), nullable=False),
    Column("tz", text(64), nullable=False),
    Column("start_ns", BigInteger, nullable=False),
    Column("end_ns", BigInteger, nullable=False),
    Column("closed_ns", BigInteger, nullable=False),
    Column("closed_by", text(128), nullable=False),
)
"""Time whose records are never edited again; no two overlap."""

adjustment = Table(
    "adjustment",
    metadata,
    Column("adjustment_id", identity, primary_key=True),
    Column("booked_ns", BigInteger, nullable=False),
    Column("period_id", BigInteger, nullable=False),
    Column("cause", text(16), nullable=False),
    Column("run_id", BigInteger),
    Column("record_id", BigInteger, nullable=False),
    Column("tenant_id", text(64), nullable=False),
    Column("trace_id", binary(16), nullable=False),
    Column("span_id", binary(8), nullable=False),
    Column("started_ns", BigInteger, nullable=False),
    Column("provider", text(64)),
    Column("model", text(191)),
    Column("customer_id", text(128)),
    Column("pricing_status", text(16), nullable=False),
    Column("requests", BigInteger),
    Column("input_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("cost_nano", BigInteger),
    Column("revenue_nano", BigInteger),
    Column("old_values", Text, nullable=False),
    Column("new_values", Text, nullable=False),
)
"""What would have changed a record of a closed period; amounts are changes of sums."""
Index("ix_adjustment_booked", adjustment.c.booked_ns)
Index("ix_adjustment_started", adjustment.c.started_ns)
