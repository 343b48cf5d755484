"""Anthropic's usage and cost exports: CSV of the Console, JSON of the Usage and Cost Admin API.

Input: rows of the Console's CSV, of `/v1/organizations/usage_report/messages` or of
`/v1/organizations/cost_report`. Their input counters never overlap. The Console has dollars; the
API has decimal strings in cents, and leaves the Priority Tier out of costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from spantoll.reconcile.format import UTC, BillFormat, check_currency
from spantoll.reconcile.line import (
    CACHE_READ,
    CACHE_WRITE,
    OUTPUT,
    UNCACHED_INPUT,
    WEB_SEARCHES,
    BillLine,
)
from spantoll.reconcile.rows import BillRow

__all__ = ["COSTS", "COST_REPORT", "USAGE"]

QUANTITIES = {
    "usage_input_tokens_no_cache": UNCACHED_INPUT,
    "uncached_input_tokens": UNCACHED_INPUT,
    "usage_input_tokens_cache_read": CACHE_READ,
    "cache_read_input_tokens": CACHE_READ,
    "usage_input_tokens_cache_write": CACHE_WRITE,
    "usage_input_tokens_cache_write_5m": CACHE_WRITE,
    "usage_input_tokens_cache_write_1h": CACHE_WRITE,
    "cache_creation.ephemeral_5m_input_tokens": CACHE_WRITE,
    "cache_creation.ephemeral_1h_input_tokens": CACHE_WRITE,
    "usage_output_tokens": OUTPUT,
    "output_tokens": OUTPUT,
    "web_search_count": WEB_SEARCHES,
    "server_tool_use.web_search_requests": WEB_SEARCHES,
}
"""Column of the usage exports -> metric; those of one metric add up."""

TOKEN_TYPES = {
    "input_no_cache": UNCACHED_INPUT,
    "uncached_input_tokens": UNCACHED_INPUT,
    "input_cache_read": CACHE_READ,
    "cache_read_input_tokens": CACHE_READ,
    "input_cache_write": CACHE_WRITE,
    "input_cache_write_5m": CACHE_WRITE,
    "input_cache_write_1h": CACHE_WRITE,
    "cache_creation.ephemeral_5m_input_tokens": CACHE_WRITE,
    "cache_creation.ephemeral_1h_input_tokens": CACHE_WRITE,
    "output": OUTPUT,
    "output_tokens": OUTPUT,
}
"""`token_type` of the cost exports -> metric."""

NOT_A_TIER = ("message", "")
"""Values of `usage_type` that say nothing about the tier."""

CENTS = Decimal("0.01")


def _read_usage(row: BillRow, day: date, provider: str) -> Sequence[BillLine]:
    model, tier = row.read_text("model_version", "model"), _read_tier(row)
    return [
        BillLine(provider, day, model, metric, quantity, batch=tier == "batch", tier=tier)
        for column, metric in QUANTITIES.items()
        if (quantity := row.read_count(column)) is not None
    ]


def _read_cost(row: BillRow, day: date, provider: str) -> Sequence[BillLine]:
    return _make_cost_line(row, day, provider, row.read_number("cost_usd"))


def _read_cost_report(row: BillRow, day: date, provider: str) -> Sequence[BillLine]:
    cents = row.read_number("amount")
    return _make_cost_line(row, day, provider, None if cents is None else cents * CENTS)


def _make_cost_line(
    row: BillRow, day: date, provider: str, amount_usd: Decimal | None
) -> Sequence[BillLine]:
    if amount_usd is None:
        return ()
    check_currency(row, "currency")
    tier = _read_tier(row)
    metric = TOKEN_TYPES.get(row.read_text("token_type") or "")
    return [
        BillLine(
            provider,
            day,
            row.read_text("model"),
            metric,
            amount_usd=amount_usd,
            batch=tier == "batch",
            tier=tier,
        )
    ]


def _read_tier(row: BillRow) -> str | None:
    tier = (row.read_text("service_tier", "usage_type") or "").lower()
    return None if tier in NOT_A_TIER else tier


USAGE = BillFormat(
    name="anthropic-usage",
    provider="anthropic",
    kind="usage",
    required=(
        ("usage_input_tokens_no_cache", "uncached_input_tokens"),
        ("usage_output_tokens", "output_tokens"),
        ("usage_date_utc", "starting_at"),
    ),
    day=("usage_date_utc", "starting_at"),
    zone=UTC,
    read=_read_usage,
    source="https://platform.claude.com/docs/en/api/admin-api/usage-cost/get-messages-usage-report",
)
COSTS = BillFormat(
    name="anthropic-costs",
    provider="anthropic",
    kind="cost",
    required=(("usage_date_utc",), ("cost_usd",)),
    day=("usage_date_utc",),
    zone=UTC,
    read=_read_cost,
    source="https://support.claude.com/en/articles/9534590",
)
COST_REPORT = BillFormat(
    name="anthropic-cost-report",
    provider="anthropic",
    kind="cost",
    required=(("starting_at",), ("amount",)),
    day=("starting_at",),
    zone=UTC,
    read=_read_cost_report,
    source="https://platform.claude.com/docs/en/api/admin-api/usage-cost/get-cost-report",
)
