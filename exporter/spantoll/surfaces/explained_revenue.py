"""What the customer of a record is charged, line by line, as text and as plain values.

Input: a record and the `Revenue` that today's customer prices give it. Output: lines whose sum is
the stored revenue; where that is of other prices, only a sentence that says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spantoll.customers import Revenue, RevenueLine, describe_price
from spantoll.query import to_usd
from spantoll.records import UsageRecord
from spantoll.surfaces.cells import format_dollars, format_number

__all__ = ["format_revenue", "plain_revenue_lines"]

OUTDATED = "charged otherwise than by today's customer prices: `spantoll reprice`"


def format_revenue(record: UsageRecord, revenue: Revenue) -> Iterator[tuple[str, str]]:
    """Write the revenue of a record as topics and texts; nothing where nobody is charged."""
    if record.revenue_nano is None and not record.revenue_reason:
        return
    reason = f": {record.revenue_reason}" if record.revenue_reason else ""
    yield "revenue", f"{format_dollars(to_usd(record.revenue_nano))}{reason}"
    if record.revenue_nano != revenue.nano:
        yield "", OUTDATED
        return
    for line in revenue.lines:
        yield "", _format_line(line)


def plain_revenue_lines(record: UsageRecord, revenue: Revenue) -> list[dict[str, Any]]:
    """Write the lines as plain values; none where the revenue is of other prices than today's."""
    if record.revenue_nano != revenue.nano:
        return []
    return [
        {
            "metric": line.metric,
            "quantity": str(line.quantity),
            "revenue_usd": f"{to_usd(line.nano):f}",
            "customer_price": None if line.price is None else describe_price(line.price),
            "discount": None if line.discount is None else describe_price(line.discount),
        }
        for line in revenue.lines
    ]


def _format_line(line: RevenueLine) -> str:
    rows = [describe_price(row) for row in (line.price, line.discount) if row is not None]
    return (
        f"{line.metric:<20} {format_number(line.quantity):>12} = ${to_usd(line.nano):f}"
        f"  by {'; '.join(rows)}"
    )
