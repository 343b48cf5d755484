"""Tables of the first schema that no version has filled: made by 0001, dropped by 0004.

A table comes with the migration of the feature that fills it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from spantoll.storage.migrations.column_types import identity, text

__all__ = ["NAMES", "create", "drop"]

NAMES = (
    "price_set",
    "vendor_price",
    "model_alias",
    "customer_price",
    "reprice_run",
    "usage_cost_history",
    "period_lock",
    "budget",
    "alert_event",
    "usage_dim",
    "usage_bucket",
    "usage_latency",
)


def create() -> None:
    """Create them, empty."""
    _create_prices()
    _create_customer_prices()
    _create_budgets()
    _create_buckets()


def _create_prices() -> None:
    op.create_table(
        "price_set",
        sa.Column("sha256", text(64), primary_key=True),
        sa.Column("source", text(32), nullable=False),
        sa.Column("version", text(64), nullable=False),
        sa.Column("as_of", text(32), nullable=False),
        sa.Column("row_count", sa.Integer, nullable=False),
        sa.Column("imported_ns", sa.BigInteger, nullable=False),
        sa.Column("note", sa.Text),
    )
    op.create_table(
        "vendor_price",
        sa.Column("id", identity, primary_key=True),
        sa.Column("tenant_id", text(64), nullable=False),
        sa.Column("provider", text(64), nullable=False),
        sa.Column("model", text(191), nullable=False),
        sa.Column("match", text(8), nullable=False),
        sa.Column("metric", text(32), nullable=False),
        sa.Column("per", sa.BigInteger, nullable=False),
        sa.Column("price", text(40), nullable=False),
        sa.Column("currency", text(3), nullable=False),
        sa.Column("region", text(64), nullable=False),
        sa.Column("service_tier", text(32), nullable=False),
        sa.Column("processing", text(16), nullable=False),
        sa.Column("speed", text(16), nullable=False),
        sa.Column("image_size", text(32), nullable=False),
        sa.Column("image_quality", text(16), nullable=False),
        sa.Column("min_input_tokens", sa.BigInteger, nullable=False),
        sa.Column("min_inclusive", sa.Boolean, nullable=False),
        sa.Column("tier_mode", text(8), nullable=False),
        sa.Column("time_of_day_from", text(8), nullable=False),
        sa.Column("time_of_day_to", text(8), nullable=False),
        sa.Column("effective_from_ns", sa.BigInteger, nullable=False),
        sa.Column("effective_to_ns", sa.BigInteger, nullable=False),
        sa.Column("source", text(16), nullable=False),
        sa.Column("price_set", text(64), nullable=False),
        sa.Column("confirmations", sa.SmallInteger, nullable=False),
        sa.Column("superseded_ns", sa.BigInteger),
        sa.Column("created_by", text(128), nullable=False),
        sa.Column("created_ns", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_vendor_price_model", "vendor_price", ["provider", "model"])
    op.create_table(
        "model_alias",
        sa.Column("id", identity, primary_key=True),
        sa.Column("tenant_id", text(64), nullable=False),
        sa.Column("provider_pattern", text(64), nullable=False),
        sa.Column("model_pattern", text(191), nullable=False),
        sa.Column("provider", text(64), nullable=False),
        sa.Column("model", text(191), nullable=False),
        sa.Column("region", text(64), nullable=False),
        sa.Column("valid_from_ns", sa.BigInteger, nullable=False),
        sa.Column("valid_to_ns", sa.BigInteger, nullable=False),
    )


def _create_customer_prices() -> None:
    op.create_table(
        "customer_price",
        sa.Column("id", identity, primary_key=True),
        sa.Column("tenant_id", text(64), nullable=False),
        sa.Column("customer_id", text(128), nullable=False),
        sa.Column("provider", text(64), nullable=False),
        sa.Column("model", text(191), nullable=False),
        sa.Column("metric", text(32), nullable=False),
        sa.Column("kind", text(16), nullable=False),
        sa.Column("markup_ppm", sa.Integer),
        sa.Column("price", text(40)),
        sa.Column("per", sa.BigInteger),
        sa.Column("min_charge_nano", sa.BigInteger),
        sa.Column("base", text(16), nullable=False),
        sa.Column("effective_from_ns", sa.BigInteger, nullable=False),
        sa.Column("effective_to_ns", sa.BigInteger, nullable=False),
        sa.Column("superseded_ns", sa.BigInteger),
    )
    op.create_table(
        "reprice_run",
        sa.Column("id", identity, primary_key=True),
        sa.Column("tenant_id", text(64), nullable=False),
        sa.Column("filter", sa.Text, nullable=False),
        sa.Column("price_set_from", text(64)),
        sa.Column("price_set_to", text(64)),
        sa.Column("dry_run", sa.Boolean, nullable=False),
        sa.Column("started_ns", sa.BigInteger, nullable=False),
        sa.Column("records", sa.BigInteger, nullable=False),
        sa.Column("old_nano", sa.BigInteger),
        sa.Column("new_nano", sa.BigInteger),
        sa.Column("requested_by", text(128), nullable=False),
    )
    op.create_table(
        "usage_cost_history",
        sa.Column("run_id", sa.BigInteger, nullable=False),
        sa.Column("record_id", sa.BigInteger, nullable=False),
        sa.Column("old_cost_nano", sa.BigInteger),
        sa.Column("old_revenue_nano", sa.BigInteger),
        sa.Column("old_rate_id", sa.BigInteger),
        sa.PrimaryKeyConstraint("run_id", "record_id", name="pk_usage_cost_history"),
    )
    op.create_table(
        "period_lock",
        sa.Column("tenant_id", text(64), nullable=False),
        sa.Column("customer_id", text(128), nullable=False),
        sa.Column("from_ns", sa.BigInteger, nullable=False),
        sa.Column("to_ns", sa.BigInteger, nullable=False),
        sa.Column("locked_by", text(128), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "customer_id", "from_ns", name="pk_period_lock"),
    )


def _create_budgets() -> None:
    op.create_table(
        "budget",
        sa.Column("id", identity, primary_key=True),
        sa.Column("tenant_id", text(64), nullable=False),
        sa.Column("name", text(128), nullable=False),
        sa.Column("scope_kind", text(32), nullable=False),
        sa.Column("scope_id", text(128), nullable=False),
        sa.Column("filters", sa.Text, nullable=False),
        sa.Column("measure", text(16), nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("period", text(16), nullable=False),
        sa.Column("tz", text(64), nullable=False),
        sa.Column("thresholds", text(64), nullable=False),
        sa.Column("forecast", sa.Boolean, nullable=False),
        sa.Column("action", text(16), nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.UniqueConstraint("tenant_id", "name", name="uq_budget_name"),
    )
    op.create_table(
        "alert_event",
        sa.Column("budget_id", sa.BigInteger, nullable=False),
        sa.Column("scope_id", text(128), nullable=False),
        sa.Column("period_start_ns", sa.BigInteger, nullable=False),
        sa.Column("threshold", sa.Integer, nullable=False),
        sa.Column("fired_ns", sa.BigInteger, nullable=False),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint(
            "budget_id", "scope_id", "period_start_ns", "threshold", name="pk_alert_event"
        ),
    )


def _create_buckets() -> None:
    op.create_table(
        "usage_dim",
        sa.Column("dim_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("tenant_id", text(64), nullable=False),
        sa.Column("customer_id", text(128), nullable=False),
        sa.Column("organisation", text(191), nullable=False),
        sa.Column("project", text(128), nullable=False),
        sa.Column("workspace_id", text(128), nullable=False),
        sa.Column("team", text(128), nullable=False),
        sa.Column("provider", text(64), nullable=False),
        sa.Column("provider_instance", text(128), nullable=False),
        sa.Column("model", text(191), nullable=False),
        sa.Column("operation", text(64), nullable=False),
        sa.Column("purpose", text(64), nullable=False),
        sa.Column("task_type", text(64), nullable=False),
        sa.Column("channel", text(64), nullable=False),
        sa.Column("environment", text(64), nullable=False),
        sa.Column("service_name", text(128), nullable=False),
        sa.Column("status", text(16), nullable=False),
    )
    op.create_table(
        "usage_bucket",
        sa.Column("bucket", sa.Integer, nullable=False),
        sa.Column("dim_id", sa.BigInteger, nullable=False),
        sa.Column("requests", sa.BigInteger),
        sa.Column("cache_hits", sa.BigInteger),
        sa.Column("input_tokens", sa.BigInteger),
        sa.Column("output_tokens", sa.BigInteger),
        sa.Column("cache_read_tokens", sa.BigInteger),
        sa.Column("cache_write_tokens", sa.BigInteger),
        sa.Column("reasoning_tokens", sa.BigInteger),
        sa.Column("images", sa.BigInteger),
        sa.Column("audio_ms", sa.BigInteger),
        sa.Column("video_ms", sa.BigInteger),
        sa.Column("cost_nano", sa.BigInteger),
        sa.Column("revenue_nano", sa.BigInteger),
        sa.Column("reported_cost_nano", sa.BigInteger),
        sa.Column("priced_requests", sa.BigInteger),
        sa.Column("partial_requests", sa.BigInteger),
        sa.Column("unpriced_requests", sa.BigInteger),
        sa.Column("unpriced_tokens", sa.BigInteger),
        sa.Column("latency_ns", sa.BigInteger),
        sa.Column("latency_count", sa.BigInteger),
        sa.Column("latency_min_ns", sa.BigInteger),
        sa.Column("latency_max_ns", sa.BigInteger),
        sa.Column("first_chunk_ns", sa.BigInteger),
        sa.Column("first_chunk_count", sa.BigInteger),
        sa.PrimaryKeyConstraint("bucket", "dim_id", name="pk_usage_bucket"),
    )
    op.create_table(
        "usage_latency",
        sa.Column("bucket", sa.Integer, nullable=False),
        sa.Column("dim_id", sa.BigInteger, nullable=False),
        sa.Column("latency_bucket", sa.SmallInteger, nullable=False),
        sa.Column("n", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("bucket", "dim_id", "latency_bucket", name="pk_usage_latency"),
    )


def drop() -> None:
    """Drop those that are there."""
    for name in reversed(NAMES):
        op.drop_table(name, if_exists=True)
