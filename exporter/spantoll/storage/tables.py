"""The tables beside `usage_record`, complete from the first migration on.

They follow the field report on pricing data models; where it and the design differ, the design
decides: roll-up buckets are 15 minutes of UTC (so that zones of +5:30 and +5:45 sum exactly), and a
record names the compiled `rate` that priced it instead of carrying its cost lines as JSON, because
lines = quantities x rate and both are immutable. Key columns are never NULL ('' instead): NULL
breaks UNIQUE and sorts differently on every database.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

from spantoll.records.column_spec import identity, text
from spantoll.records.columns import metadata

__all__ = [
    "alert_event",
    "budget",
    "customer_price",
    "model_alias",
    "period_lock",
    "price_set",
    "probe",
    "rate",
    "reprice_run",
    "usage_bucket",
    "usage_cost_history",
    "usage_dim",
    "usage_latency",
    "vendor_price",
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

price_set = Table(
    "price_set",
    metadata,
    Column("sha256", text(64), primary_key=True),
    Column("source", text(32), nullable=False),
    Column("version", text(64), nullable=False),
    Column("as_of", text(32), nullable=False),
    Column("row_count", Integer, nullable=False),
    Column("imported_ns", BigInteger, nullable=False),
    Column("note", Text),
)

vendor_price = Table(
    "vendor_price",
    metadata,
    Column("id", identity, primary_key=True),
    Column("tenant_id", text(64), nullable=False),
    Column("provider", text(64), nullable=False),
    Column("model", text(191), nullable=False),
    Column("match", text(8), nullable=False),
    Column("metric", text(32), nullable=False),
    Column("per", BigInteger, nullable=False),
    # Decimal as text: SQLite's NUMERIC is a float.
    Column("price", text(40), nullable=False),
    Column("currency", text(3), nullable=False),
    Column("region", text(64), nullable=False),
    Column("service_tier", text(32), nullable=False),
    Column("processing", text(16), nullable=False),
    Column("speed", text(16), nullable=False),
    Column("image_size", text(32), nullable=False),
    Column("image_quality", text(16), nullable=False),
    Column("min_input_tokens", BigInteger, nullable=False),
    Column("min_inclusive", Boolean, nullable=False),
    Column("tier_mode", text(8), nullable=False),
    Column("time_of_day_from", text(8), nullable=False),
    Column("time_of_day_to", text(8), nullable=False),
    Column("effective_from_ns", BigInteger, nullable=False),
    Column("effective_to_ns", BigInteger, nullable=False),
    Column("source", text(16), nullable=False),
    Column("price_set", text(64), nullable=False),
    Column("confirmations", SmallInteger, nullable=False),
    Column("superseded_ns", BigInteger),
    Column("created_by", text(128), nullable=False),
    Column("created_ns", BigInteger, nullable=False),
)
Index("ix_vendor_price_model", vendor_price.c.provider, vendor_price.c.model)

model_alias = Table(
    "model_alias",
    metadata,
    Column("id", identity, primary_key=True),
    Column("tenant_id", text(64), nullable=False),
    Column("provider_pattern", text(64), nullable=False),
    Column("model_pattern", text(191), nullable=False),
    Column("provider", text(64), nullable=False),
    Column("model", text(191), nullable=False),
    Column("region", text(64), nullable=False),
    Column("valid_from_ns", BigInteger, nullable=False),
    Column("valid_to_ns", BigInteger, nullable=False),
)

customer_price = Table(
    "customer_price",
    metadata,
    Column("id", identity, primary_key=True),
    Column("tenant_id", text(64), nullable=False),
    Column("customer_id", text(128), nullable=False),
    Column("provider", text(64), nullable=False),
    Column("model", text(191), nullable=False),
    Column("metric", text(32), nullable=False),
    Column("kind", text(16), nullable=False),
    Column("markup_ppm", Integer),
    Column("price", text(40)),
    Column("per", BigInteger),
    Column("min_charge_nano", BigInteger),
    Column("base", text(16), nullable=False),
    Column("effective_from_ns", BigInteger, nullable=False),
    Column("effective_to_ns", BigInteger, nullable=False),
    Column("superseded_ns", BigInteger),
)

reprice_run = Table(
    "reprice_run",
    metadata,
    Column("id", identity, primary_key=True),
    Column("tenant_id", text(64), nullable=False),
    Column("filter", Text, nullable=False),
    Column("price_set_from", text(64)),
    Column("price_set_to", text(64)),
    Column("dry_run", Boolean, nullable=False),
    Column("started_ns", BigInteger, nullable=False),
    Column("records", BigInteger, nullable=False),
    Column("old_nano", BigInteger),
    Column("new_nano", BigInteger),
    Column("requested_by", text(128), nullable=False),
)

usage_cost_history = Table(
    "usage_cost_history",
    metadata,
    Column("run_id", BigInteger, nullable=False),
    Column("record_id", BigInteger, nullable=False),
    Column("old_cost_nano", BigInteger),
    Column("old_revenue_nano", BigInteger),
    Column("old_rate_id", BigInteger),
    PrimaryKeyConstraint("run_id", "record_id", name="pk_usage_cost_history"),
)

period_lock = Table(
    "period_lock",
    metadata,
    Column("tenant_id", text(64), nullable=False),
    Column("customer_id", text(128), nullable=False),
    Column("from_ns", BigInteger, nullable=False),
    Column("to_ns", BigInteger, nullable=False),
    Column("locked_by", text(128), nullable=False),
    PrimaryKeyConstraint("tenant_id", "customer_id", "from_ns", name="pk_period_lock"),
)

budget = Table(
    "budget",
    metadata,
    Column("id", identity, primary_key=True),
    Column("tenant_id", text(64), nullable=False),
    Column("name", text(128), nullable=False),
    Column("scope_kind", text(32), nullable=False),
    Column("scope_id", text(128), nullable=False),
    Column("filters", Text, nullable=False),
    Column("measure", text(16), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("period", text(16), nullable=False),
    Column("tz", text(64), nullable=False),
    Column("thresholds", text(64), nullable=False),
    Column("forecast", Boolean, nullable=False),
    Column("action", text(16), nullable=False),
    Column("enabled", Boolean, nullable=False),
    UniqueConstraint("tenant_id", "name", name="uq_budget_name"),
)

alert_event = Table(
    "alert_event",
    metadata,
    Column("budget_id", BigInteger, nullable=False),
    Column("scope_id", text(128), nullable=False),
    Column("period_start_ns", BigInteger, nullable=False),
    Column("threshold", Integer, nullable=False),
    Column("fired_ns", BigInteger, nullable=False),
    Column("value", BigInteger, nullable=False),
    # Once per threshold and period, however many processes watch the budget.
    PrimaryKeyConstraint(
        "budget_id", "scope_id", "period_start_ns", "threshold", name="pk_alert_event"
    ),
)

usage_dim = Table(
    "usage_dim",
    metadata,
    Column("dim_id", BigInteger, primary_key=True, autoincrement=False),
    Column("tenant_id", text(64), nullable=False),
    Column("customer_id", text(128), nullable=False),
    Column("organisation", text(191), nullable=False),
    Column("project", text(128), nullable=False),
    Column("workspace_id", text(128), nullable=False),
    Column("team", text(128), nullable=False),
    Column("provider", text(64), nullable=False),
    Column("provider_instance", text(128), nullable=False),
    Column("model", text(191), nullable=False),
    Column("operation", text(64), nullable=False),
    Column("purpose", text(64), nullable=False),
    Column("task_type", text(64), nullable=False),
    Column("channel", text(64), nullable=False),
    Column("environment", text(64), nullable=False),
    Column("service_name", text(128), nullable=False),
    Column("status", text(16), nullable=False),
)

_SUMS = (
    "requests",
    "cache_hits",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "images",
    "audio_ms",
    "video_ms",
    "cost_nano",
    "revenue_nano",
    "reported_cost_nano",
    "priced_requests",
    "partial_requests",
    "unpriced_requests",
    "unpriced_tokens",
    "latency_ns",
    "latency_count",
    "latency_min_ns",
    "latency_max_ns",
    "first_chunk_ns",
    "first_chunk_count",
)

usage_bucket = Table(
    "usage_bucket",
    metadata,
    Column("bucket", Integer, nullable=False),
    Column("dim_id", BigInteger, nullable=False),
    *(Column(name, BigInteger) for name in _SUMS),
    PrimaryKeyConstraint("bucket", "dim_id", name="pk_usage_bucket"),
)

usage_latency = Table(
    "usage_latency",
    metadata,
    Column("bucket", Integer, nullable=False),
    Column("dim_id", BigInteger, nullable=False),
    Column("latency_bucket", SmallInteger, nullable=False),
    Column("n", BigInteger, nullable=False),
    PrimaryKeyConstraint("bucket", "dim_id", "latency_bucket", name="pk_usage_latency"),
)

probe = Table(
    "probe",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("written_ns", BigInteger, nullable=False),
    Column("padding", LargeBinary),
)
