"""A reconciliation as plain values, for JSON and CSV.

Input: a `Reconciliation`. Output: dictionaries; money and shares are decimal strings, None unknown.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from spantoll.reconcile.compare import Reconciliation
from spantoll.reconcile.comparison import Comparison

__all__ = ["RECONCILIATION_HEADERS", "plain_comparison", "plain_reconciliation"]

SHARE = Decimal("0.000001")

RECONCILIATION_HEADERS = (
    "date",
    "provider",
    "scope",
    "model",
    "coverage",
    "bill_usd",
    "ledger_usd",
    "estimated",
    "lower_bound",
    "drift_usd",
    "drift",
    "causes",
    "explanation",
)


def plain_reconciliation(answer: Reconciliation, *, threshold: Decimal) -> dict[str, Any]:
    """Show a reconciliation, its sums and whether it is within the threshold."""
    return {
        "from": answer.period.first.isoformat(),
        "to": answer.period.last.isoformat(),
        "tz": answer.tz,
        "threshold": f"{threshold:f}",
        "within": answer.is_within(threshold),
        "bill_usd": _show(answer.billed_usd),
        "ledger_usd": _show(answer.used_usd),
        "estimated": answer.estimated,
        "lower_bound": answer.lower_bound,
        "cost_difference": _show_share(answer.cost_difference),
        "usage_difference": _show_share(answer.usage_difference),
        "left_out": [
            {"reason": each.reason, "rows": each.rows, "amount_usd": _show(each.amount_usd)}
            for each in answer.left_out
        ],
        "notes": list(answer.notes),
        "lines": [
            {**plain_comparison(each), "quantities": _show_quantities(each)}
            for each in answer.comparisons
        ],
    }


def plain_comparison(each: Comparison) -> dict[str, Any]:
    """Show one line as a flat object."""
    return {
        "date": each.day.isoformat(),
        "provider": each.provider,
        "scope": each.scope.value,
        "model": each.model,
        "coverage": _show_share(each.coverage),
        "bill_usd": _show(each.billed.cost_usd),
        "ledger_usd": _show(each.used.cost_usd),
        "estimated": bool(each.used.estimated_requests),
        "lower_bound": bool(each.used.unpriced_requests),
        "drift_usd": _show(each.drift_usd),
        "drift": _show_share(each.drift_share),
        "causes": ", ".join(cause.name for cause in each.causes),
        "explanation": "; ".join(cause.explanation for cause in each.causes),
    }


def _show_quantities(each: Comparison) -> dict[str, dict[str, str | None]]:
    return {
        metric: {"bill": _show(quantity), "ledger": _show(each.used_quantity(metric))}
        for metric, quantity in each.billed.quantities.items()
    }


def _show(value: Decimal | None) -> str | None:
    """Write a number without exponent and without zeros behind its last digit."""
    if value is None:
        return None
    return f"{value.normalize():f}" if value else "0"


def _show_share(value: Decimal | None) -> str | None:
    if value is None or not value.is_finite():
        return None
    return f"{value.quantize(SHARE, rounding=ROUND_HALF_EVEN):f}"
