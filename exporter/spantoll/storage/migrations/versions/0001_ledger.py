"""The ledger: records, rates, and tables that no version has filled.

Input: an empty database. Output: the first schema. Never edited: later migrations change it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from spantoll.storage.migrations import unfilled_tables
from spantoll.storage.migrations.column_types import binary, identity, text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table of the first schema."""
    op.create_table(
        "usage_record",
        sa.Column("id", identity, primary_key=True),
        sa.Column("tenant_id", text(64), nullable=False),
        sa.Column("trace_id", binary(16), nullable=False),
        sa.Column("span_id", binary(8), nullable=False),
        sa.Column("parent_span_id", binary(8)),
        sa.Column("source", text(16), nullable=False),
        sa.Column("started_ns", sa.BigInteger, nullable=False),
        sa.Column("duration_ns", sa.BigInteger),
        sa.Column("time_to_first_chunk_ns", sa.BigInteger),
        sa.Column("received_ns", sa.BigInteger, nullable=False),
        sa.Column("role", text(16), nullable=False),
        sa.Column("counted", sa.Boolean, nullable=False),
        sa.Column("counted_reason", text(32)),
        sa.Column("repeats_span", binary(24)),
        sa.Column("operation", text(64)),
        sa.Column("provider", text(64)),
        sa.Column("provider_raw", text(64)),
        sa.Column("provider_instance", text(128)),
        sa.Column("model", text(191)),
        sa.Column("request_model", text(191)),
        sa.Column("response_model", text(191)),
        sa.Column("response_id", text(191)),
        sa.Column("response_key", sa.BigInteger),
        sa.Column("request_id", text(128)),
        sa.Column("server_address", text(254)),
        sa.Column("server_port", sa.Integer),
        sa.Column("deployment", text(128)),
        sa.Column("deployment_type", text(32)),
        sa.Column("region", text(64)),
        sa.Column("service_tier_requested", text(32)),
        sa.Column("service_tier", text(32)),
        sa.Column("speed", text(16)),
        sa.Column("batch", sa.Boolean, nullable=False),
        sa.Column("stream", sa.Boolean),
        sa.Column("cache_hit", sa.Boolean),
        sa.Column("finish_reasons", text(128)),
        sa.Column("status", text(16), nullable=False),
        sa.Column("error_type", text(128)),
        sa.Column("error_message", text(1024)),
        sa.Column("customer_id", text(128)),
        sa.Column("organisation", text(191)),
        sa.Column("project", text(128)),
        sa.Column("workspace_id", text(128)),
        sa.Column("team", text(128)),
        sa.Column("user_id", text(128)),
        sa.Column("user_email", text(254)),
        sa.Column("session_id", text(128)),
        sa.Column("purpose", text(64)),
        sa.Column("task_type", text(64)),
        sa.Column("channel", text(64)),
        sa.Column("environment", text(64)),
        sa.Column("service_name", text(128)),
        sa.Column("metadata", sa.Text),
        sa.Column("input_tokens", sa.BigInteger),
        sa.Column("output_tokens", sa.BigInteger),
        sa.Column("cache_read_tokens", sa.BigInteger),
        sa.Column("cache_write_tokens", sa.BigInteger),
        sa.Column("cache_write_1h_tokens", sa.BigInteger),
        sa.Column("reasoning_tokens", sa.BigInteger),
        sa.Column("input_audio_tokens", sa.BigInteger),
        sa.Column("output_audio_tokens", sa.BigInteger),
        sa.Column("input_image_tokens", sa.BigInteger),
        sa.Column("output_image_tokens", sa.BigInteger),
        sa.Column("images", sa.BigInteger),
        sa.Column("image_size", text(32)),
        sa.Column("image_quality", text(16)),
        sa.Column("audio_ms", sa.BigInteger),
        sa.Column("video_ms", sa.BigInteger),
        sa.Column("characters", sa.BigInteger),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("extra_units", sa.Text),
        sa.Column("usage_quality", text(16), nullable=False),
        sa.Column("flaws", text(254)),
        sa.Column("dialect", text(32), nullable=False),
        sa.Column("scope_name", text(128)),
        sa.Column("scope_version", text(32)),
        sa.Column("assumptions", sa.Text),
        sa.Column("pricing_status", text(16), nullable=False),
        sa.Column("pricing_reason", text(254)),
        sa.Column("cost_nano", sa.BigInteger),
        sa.Column("input_cost_nano", sa.BigInteger),
        sa.Column("output_cost_nano", sa.BigInteger),
        sa.Column("cache_cost_nano", sa.BigInteger),
        sa.Column("other_cost_nano", sa.BigInteger),
        sa.Column("cost_source", text(16)),
        sa.Column("rate_id", sa.BigInteger),
        sa.Column("reported_cost_nano", sa.BigInteger),
        sa.Column("reported_cost_source", text(32)),
        sa.Column("catalogue_cost_nano", sa.BigInteger),
        sa.Column("priced_ns", sa.BigInteger),
        sa.Column("revenue_nano", sa.BigInteger),
        sa.Column("markup_ppm", sa.Integer),
        sa.Column("customer_price_id", sa.BigInteger),
        sa.Column("latency_bucket", sa.SmallInteger),
        sa.Column("facts", sa.Text),
        sa.UniqueConstraint("tenant_id", "trace_id", "span_id", name="uq_usage_record_span"),
    )
    op.create_index(
        "ix_usage_record_response",
        "usage_record",
        ["response_key"],
        sqlite_where=sa.text("response_key IS NOT NULL"),
        postgresql_where=sa.text("response_key IS NOT NULL"),
    )
    op.create_index("ix_usage_record_started", "usage_record", ["started_ns"])
    op.create_table(
        "rate",
        sa.Column("rate_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("provider", text(64), nullable=False),
        sa.Column("model", text(191), nullable=False),
        sa.Column("context", text(254), nullable=False),
        sa.Column("prices", sa.Text, nullable=False),
        sa.Column("effective_from", text(32), nullable=False),
        sa.Column("effective_to", text(32), nullable=False),
        sa.Column("source", text(16), nullable=False),
        sa.Column("price_set", text(64), nullable=False),
    )
    unfilled_tables.create()
    op.create_table(
        "probe",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("written_ns", sa.BigInteger, nullable=False),
        sa.Column("padding", sa.LargeBinary),
    )


def downgrade() -> None:
    """Drop them, and every record with them."""
    op.drop_table("probe")
    unfilled_tables.drop()
    op.drop_table("rate")
    op.drop_table("usage_record")
