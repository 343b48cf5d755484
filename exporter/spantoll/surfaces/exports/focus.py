"""Costs as FOCUS 1.2, the FinOps Open Cost and Usage Specification.

Input: filters and a period. Output: a row for each UTC day, tenant, provider, model, region and
owner. Calls without a known cost are in no row, because FOCUS knows no unknown cost: the export
says how many they are. https://focus.finops.org/focus-specification/v1-2/
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from spantoll.query import Filter, Query, Result, Row

__all__ = ["FOCUS_HEADERS", "iterate_focus_rows", "make_focus_query"]

FOCUS_HEADERS = (
    *("BilledCost", "BillingAccountId", "BillingAccountName", "BillingAccountType"),
    *("BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart"),
    *("ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency"),
    *("ChargePeriodEnd", "ChargePeriodStart", "ConsumedQuantity", "ConsumedUnit"),
    *("ContractedCost", "EffectiveCost", "InvoiceId", "InvoiceIssuerName", "ListCost"),
    *("PricingQuantity", "PricingUnit", "ProviderName", "PublisherName"),
    *("RegionId", "RegionName", "ResourceId", "ResourceName", "ResourceType"),
    *("ServiceCategory", "ServiceName", "ServiceSubcategory", "SkuId", "SkuPriceId"),
    *("SubAccountId", "SubAccountName", "Tags"),
    *("x_Model", "x_Requests", "x_InputTokens", "x_OutputTokens", "x_CostState"),
)
"""The columns of the specification that have a value here, and ours, which begin with x_."""

OWNERS = ("customer_id", "project", "team", "environment", "service_name")
"""Dimensions that become tags; `project` is the sub account too."""
DIMENSIONS = ("tenant_id", "provider", "model", "region", *OWNERS)
UNKNOWN = "unknown"


def make_focus_query(
    filters: Sequence[Filter] = (), *, start_ns: int | None, end_ns: int | None
) -> Query:
    """Ask for what the rows are made of; days are of UTC, as the specification wants."""
    return Query(
        measures=("cost_usd", "requests", "input_tokens", "output_tokens"),
        dimensions=DIMENSIONS,
        filters=filters,
        start_ns=start_ns,
        end_ns=end_ns,
        window="day",
        tz="UTC",
    )


def iterate_focus_rows(result: Result) -> Iterator[dict[str, Any]]:
    """Make the rows of the groups whose cost is known."""
    for row in result.rows:
        cost = row["cost_usd"]
        if row.window is not None and isinstance(cost, Decimal):
            yield _make_row(row, f"{cost:f}", start_ns=row.window.start_ns)


def _make_row(row: Row, cost: str, *, start_ns: int) -> dict[str, Any]:
    start = datetime.fromtimestamp(start_ns // 10**9, UTC)
    month = start.replace(day=1)
    following = (month + timedelta(days=32)).replace(day=1)
    provider, model = row["provider"] or UNKNOWN, row["model"] or UNKNOWN
    tags = {name: row[name] for name in OWNERS if row[name] is not None}
    return {
        **dict.fromkeys(("BilledCost", "ContractedCost", "EffectiveCost", "ListCost"), cost),
        **dict.fromkeys(("ProviderName", "PublisherName", "InvoiceIssuerName"), provider),
        **dict.fromkeys(("BillingAccountId", "BillingAccountName"), row["tenant_id"]),
        "BillingAccountType": "Tenant",
        "BillingCurrency": "USD",
        "BillingPeriodStart": _format_time(month),
        "BillingPeriodEnd": _format_time(following),
        "ChargePeriodStart": _format_time(start),
        "ChargePeriodEnd": _format_time(start + timedelta(days=1)),
        "ChargeCategory": "Usage",
        "ChargeDescription": f"Calls of {model}",
        "ChargeFrequency": "Usage-Based",
        "RegionId": row["region"],
        "RegionName": row["region"],
        "ServiceCategory": "AI and Machine Learning",
        "ServiceSubcategory": "Generative AI",
        "ServiceName": f"{provider} models",
        **dict.fromkeys(("SubAccountId", "SubAccountName"), row["project"]),
        "Tags": json.dumps(tags, ensure_ascii=False),
        "x_Model": model,
        "x_Requests": row["requests"],
        "x_InputTokens": row["input_tokens"],
        "x_OutputTokens": row["output_tokens"],
        "x_CostState": row.cost.name if row.cost is not None else None,
    }


def _format_time(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"
