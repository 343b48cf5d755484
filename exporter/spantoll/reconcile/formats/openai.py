"""OpenAI's usage and cost exports: CSV of the dashboard, JSON of the admin API.

Input: rows of `GET /v1/organization/usage/completions` (embeddings have the same columns, without
output) or `/costs`. `input_tokens` contains cached tokens. A line item is `MODEL, KIND`, such as
`gpt-4o-2024-08-06, cached input`; one of a tool has a name with spaces and no model.
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
    REQUESTS,
    UNCACHED_INPUT,
    BillLine,
)
from spantoll.reconcile.rows import BillRow

__all__ = ["COSTS", "USAGE"]

QUANTITIES = {
    UNCACHED_INPUT: "input_uncached_tokens",
    CACHE_READ: "input_cached_tokens",
    OUTPUT: "output_tokens",
    REQUESTS: "num_model_requests",
}
"""Metric -> column of the usage export."""

KINDS = (
    ("cache write", CACHE_WRITE),
    ("cached", CACHE_READ),
    ("input", UNCACHED_INPUT),
    ("output", OUTPUT),
)
"""Part of a line item's kind -> metric; the first that matches, since `cached input` is input."""

TIERS = ("flex", "priority", "scale")
"""Service tiers with prices of their own, by the word that a line item has for them."""


def _read_usage(row: BillRow, day: date, provider: str) -> Sequence[BillLine]:
    model, batch, tier = (
        row.read_text("model"),
        row.read_flag("batch"),
        row.read_text("service_tier"),
    )
    quantities = {metric: row.read_count(column) for metric, column in QUANTITIES.items()}
    all_input = row.read_count("input_tokens")
    if all_input is None and quantities[REQUESTS] is None:
        return ()  # a period without calls has its bounds only
    if quantities[UNCACHED_INPUT] is None and all_input is not None:
        uncached = all_input - (quantities[CACHE_READ] or 0)
        if uncached < 0:
            raise row.make_error(
                "input_cached_tokens", f"exceeds input_tokens, which is {all_input}"
            )
        quantities[UNCACHED_INPUT] = uncached
    return [
        BillLine(provider, day, model, metric, quantity, batch=batch, tier=tier)
        for metric, quantity in quantities.items()
        if quantity is not None
    ]


def _read_cost(row: BillRow, day: date, provider: str) -> Sequence[BillLine]:
    amount = row.read_number("amount_value", "amount.value")
    if amount is None:
        return ()  # a day without charges
    check_currency(row, "amount_currency", "amount.currency")
    item = row.read_text("line_item") or ""
    model, comma, kind = item.partition(", ")
    if not comma and " " in item:
        model = ""  # a tool, such as `web search tool calls`
    kind = kind.lower().replace("_", " ")
    metric = next((metric for part, metric in KINDS if part in kind), None)
    quantity: Decimal | None = None
    if metric is not None and row.read_text("quantity_unit") == "tokens":
        quantity = row.read_count("quantity")
    return [
        BillLine(
            provider,
            day,
            model or None,
            metric,
            quantity,
            amount,
            batch="batch" in kind,
            tier=next((tier for tier in TIERS if tier in kind), None),
        )
    ]


USAGE = BillFormat(
    name="openai-usage",
    provider="openai",
    kind="usage",
    required=(("num_model_requests",), ("input_tokens",), ("model",), ("start_time",)),
    day=("start_time", "start_time_iso"),
    zone=UTC,
    read=_read_usage,
    source="https://help.openai.com/en/articles/8554956-understanding-your-api-usage",
)
COSTS = BillFormat(
    name="openai-costs",
    provider="openai",
    kind="cost",
    required=(("amount_value", "amount.value"), ("start_time",)),
    day=("start_time", "start_time_iso"),
    zone=UTC,
    read=_read_cost,
    source="https://developers.openai.com/api/reference/cli/resources/admin/subresources/organization/subresources/usage/methods/costs",
)
