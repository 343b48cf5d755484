"""Sums of records by time bucket and dimensions.

Input: a ledger without roll-ups. Output: the tables, empty. Where there are records, all time is a
gap: queries read the records until `fill_gaps` has filled it.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from spantoll.storage.migrations.column_types import identity, text

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

MODEL: dict[str, Any] = {
    "tenant_id": text(64),
    "provider": text(64),
    "model": text(191),
    "operation": text(64),
    "status": text(16),
}
PRICE: dict[str, Any] = {
    "pricing_status": text(16),
    "pricing_reason": text(254),
    "rate_id": sa.BigInteger(),
}
ATTRIBUTION: dict[str, Any] = {
    "customer_id": text(128),
    "organisation": text(191),
    "project": text(128),
    "workspace_id": text(128),
    "team": text(128),
    "environment": text(64),
    "service_name": text(128),
    "task_type": text(64),
}
DIMENSIONS: dict[str, dict[str, Any]] = {
    "roll_up_model_day": MODEL | PRICE,
    "roll_up_model_quarter": MODEL | PRICE,
    "roll_up_attribution_day": MODEL | PRICE | ATTRIBUTION,
    "roll_up_user_day": MODEL | PRICE | {"user_id": text(128)},
}
SUMS = (
    *("requests", "duration_ns", "time_to_first_chunk_ns", "input_tokens", "output_tokens"),
    *("cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens", "reasoning_tokens"),
    *("input_audio_tokens", "output_audio_tokens", "input_image_tokens", "output_image_tokens"),
    *("images", "audio_ms", "video_ms", "characters", "cost_nano", "input_cost_nano"),
    *("output_cost_nano", "cache_cost_nano", "other_cost_nano", "reported_cost_nano"),
    *("catalogue_cost_nano", "revenue_nano", "requests_with_cost", "requests_without_revenue"),
    *("margin_revenue_nano", "margin_cost_nano", "timed_output_tokens", "timed_duration_ns"),
    *("cache_read_of_input", "cache_savings_nano"),
)
NEVER_NULL = {"requests", "requests_with_cost", "requests_without_revenue"}


def upgrade() -> None:
    """Create the tables; open a gap for what is there."""
    for name, dimensions in DIMENSIONS.items():
        _create(name, dimensions, SUMS)
    _create("roll_up_latency_day", MODEL | {"latency_bucket": sa.SmallInteger()}, ())
    op.create_table(
        "roll_up_gap",
        sa.Column("start_ns", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("end_ns", sa.BigInteger, nullable=False),
    )
    if not op.get_context().as_sql:
        record = sa.table("usage_record", sa.column("id"))
        if op.get_bind().scalar(sa.select(record.c.id).limit(1)) is not None:
            gap = sa.table("roll_up_gap", sa.column("start_ns"), sa.column("end_ns"))
            op.execute(gap.insert().values(start_ns=0, end_ns=2**63 - 1))


def downgrade() -> None:
    """Drop the tables."""
    for name in (*DIMENSIONS, "roll_up_latency_day", "roll_up_gap"):
        op.drop_table(name)


def _create(name: str, dimensions: dict[str, Any], sums: tuple[str, ...]) -> None:
    known = [f"{each}_known" for each in sums if each not in NEVER_NULL]
    op.create_table(
        name,
        sa.Column("id", identity, primary_key=True),
        sa.Column("bucket_ns", sa.BigInteger, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        *(sa.Column(each, kind, nullable=True) for each, kind in dimensions.items()),
        sa.Column("records", sa.BigInteger, nullable=False),
        *(sa.Column(each, sa.BigInteger, nullable=True) for each in sums),
        *(sa.Column(each, sa.BigInteger, nullable=False) for each in known),
        sqlite_autoincrement=True,
    )
    op.create_index(f"ix_{name}_bucket", name, ["bucket_ns", "state"])
