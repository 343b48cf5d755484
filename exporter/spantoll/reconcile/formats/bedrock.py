"""Bedrock in AWS Cost and Usage Reports: CUR 2.0 and legacy CUR, as CSV.

Input: line items; only usage of Amazon Bedrock is compared. The usage type is
`REGION-MODEL-METRIC[-TIER][-ROUTE]`, as `USE1-Claude4.6Sonnet-input-tokens-batch`; models sold
through the Marketplace have `REGION-MP:REGION_METRIC[_TIER]-Units`, and their name in the product.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from spantoll.reconcile.format import UTC, BillFormat, check_currency
from spantoll.reconcile.line import (
    CACHE_READ,
    CACHE_WRITE,
    OUTPUT,
    UNCACHED_INPUT,
    BillLine,
    LeftOut,
)
from spantoll.reconcile.rows import BillRow

__all__ = ["CUR"]

USAGE_TYPE = ("line_item_usage_type", "lineItem/UsageType")
LINE_TYPE = ("line_item_line_item_type", "lineItem/LineItemType")
PRODUCT_CODE = ("line_item_product_code", "lineItem/ProductCode")
PRODUCT_NAME = ("product_product_name", "product/ProductName")
QUANTITY = ("line_item_usage_amount", "lineItem/UsageAmount")
AMOUNT = ("line_item_unblended_cost", "lineItem/UnblendedCost")
CURRENCY = ("line_item_currency_code", "lineItem/CurrencyCode")
UNIT = ("pricing_unit", "pricing/unit")
START = ("line_item_usage_start_date", "lineItem/UsageStartDate")

USED = frozenset({"Usage", "DiscountedUsage", "SavingsPlanCoveredUsage"})
"""Line item types that are consumption; the others are taxes, credits, refunds and fees."""

TOKENS_PER_UNIT = {"1k tokens": 1000, "1m tokens": 1_000_000, "tokens": 1}
"""`Units` of Marketplace models is not among them: AWS does not document how many tokens it is."""

METRICS = (
    (re.compile(r"cache[-_]?read[-_]?input[-_]?token", re.I), CACHE_READ),
    (re.compile(r"cache[-_]?write[-_]?(?:(?:1h|5m)[-_]?)?input[-_]?token", re.I), CACHE_WRITE),
    (re.compile(r"(?:text[-_])?output[-_]?token", re.I), OUTPUT),
    (re.compile(r"(?:text[-_])?input[-_]?token", re.I), UNCACHED_INPUT),
)
"""In this order: the name of a cache metric contains that of input."""

RESERVED = re.compile(r"reserved|provisioned", re.I)
"""Capacity that is paid for by time, not by tokens."""

TIERS = ("flex", "priority")
REGION = re.compile(r"[A-Z]{2,4}\d?-")
EDITION = " (Amazon Bedrock Edition)"


def _read_line_item(row: BillRow, day: date, provider: str) -> Sequence[BillLine] | LeftOut:
    product = _read_product(row)
    code = row.read_text(*PRODUCT_CODE) or ""
    if not code.startswith("AmazonBedrock") and not product.endswith(EDITION):
        return ()
    amount = row.read_number(*AMOUNT)
    if amount is None:
        raise row.make_error(_present(row, AMOUNT), "is empty: every line item has a cost")
    check_currency(row, *CURRENCY)
    line_type = row.read_text(*LINE_TYPE) or "Usage"
    if line_type not in USED:
        return LeftOut(f"line items of type {line_type}", amount_usd=amount)
    usage_type = row.read_text(*USAGE_TYPE)
    if usage_type is None:
        raise row.make_error(_present(row, USAGE_TYPE), "is empty: it names model and metric")
    model, metric, rest = _split_usage_type(usage_type, product)
    return [
        BillLine(
            provider,
            day,
            model,
            metric,
            _read_tokens(row) if metric is not None else None,
            amount,
            batch="batch" in rest,
            tier=next((tier for tier in TIERS if tier in rest), None),
        )
    ]


def _split_usage_type(usage_type: str, product: str) -> tuple[str | None, str | None, str]:
    """Split into model, metric, and what follows the metric in lower case."""
    if RESERVED.search(usage_type):
        return None, None, ""
    for pattern, metric in METRICS:
        if found := pattern.search(usage_type):
            name = REGION.sub("", usage_type[: found.start()].rstrip("-_"), count=1)
            if product.endswith(EDITION):
                name = product.removesuffix(EDITION)
            return name.removesuffix("-mantle") or None, metric, usage_type[found.end() :].lower()
    return None, None, ""


def _read_tokens(row: BillRow) -> Decimal | None:
    size = TOKENS_PER_UNIT.get((row.read_text(*UNIT) or "").lower())
    amount = row.read_number(*QUANTITY)
    return None if size is None or amount is None else amount * size


def _read_product(row: BillRow) -> str:
    """Read the product's name; CUR 2.0 keeps it in the map `product`, which CSV has as JSON."""
    name = row.read_text(*PRODUCT_NAME)
    if name is None and (product := row.read_text("product")):
        try:
            parsed = json.loads(product)
        except ValueError:
            raise row.make_error("product", "is not a JSON object") from None
        name = parsed.get("product_name") if isinstance(parsed, dict) else None
    return name if isinstance(name, str) else ""


def _present(row: BillRow, columns: Sequence[str]) -> str:
    return next((name for name in columns if name in row.fields), columns[0])


CUR = BillFormat(
    name="bedrock-cur",
    provider="aws.bedrock",
    kind="cost",
    required=(USAGE_TYPE, AMOUNT, START, PRODUCT_CODE),
    day=START,
    zone=UTC,
    read=_read_line_item,
    source="https://docs.aws.amazon.com/bedrock/latest/userguide/cost-mgmt-understanding-cur-data.html",
)
