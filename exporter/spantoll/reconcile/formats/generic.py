"""A CSV that anybody can make of any bill: `docs/reconcile.md` documents its columns.

Input: rows with a date, and a quantity, an amount in USD, or both. Output: one line a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from spantoll.reconcile.format import BillFormat
from spantoll.reconcile.line import METRICS, BillLine
from spantoll.reconcile.rows import BillRow
from spantoll.semconv.providers import canonical

__all__ = ["GENERIC"]


def _read_row(row: BillRow, day: date, provider: str) -> Sequence[BillLine]:
    metric, quantity = row.read_text("metric"), row.read_number("quantity")
    amount = row.read_number("amount_usd")
    if metric is not None and metric not in METRICS:
        raise row.make_error("metric", f"{metric!r}: write one of {', '.join(METRICS)}, or nothing")
    if quantity is not None and (metric is None or quantity < 0):
        raise row.make_error("quantity", "is at least 0 and needs a metric")
    if quantity is None and amount is None:
        raise row.make_error("amount_usd", "is empty, and so is quantity: a row has one or both")
    billed_by = row.read_text("provider")
    if billed_by is not None:
        provider = canonical(billed_by) or billed_by
    if not provider:
        raise row.make_error(
            "provider", "is empty: name it here, or as `spantoll reconcile PROVIDER`"
        )
    return [
        BillLine(
            provider,
            day,
            row.read_text("model"),
            metric,
            quantity,
            amount,
            batch=row.read_flag("batch"),
            tier=row.read_text("tier"),
        )
    ]


GENERIC = BillFormat(
    name="generic",
    provider=None,
    kind="cost",
    required=(("date",), ("quantity", "amount_usd")),
    day=("date",),
    zone=None,
    read=_read_row,
    source="docs/reconcile.md",
)
