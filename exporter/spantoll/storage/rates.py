"""Rates as rows of the table `rate`, and back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
from sqlalchemy import Row

from spantoll.pricing.result import Rate, UnitPrice

__all__ = ["from_row", "to_row"]


def to_row(rate: Rate) -> dict[str, Any]:
    """Write a rate as a row of `rate`; amounts are text, so that they stay exact."""
    prices = [[price.metric, str(price.amount_usd), price.per] for price in rate.prices]
    return {**rate._asdict(), "prices": orjson.dumps(prices).decode()}


def from_row(row: Row[Any]) -> Rate:
    """Read a row of `rate`."""
    prices = tuple(
        UnitPrice(metric, Decimal(amount), per) for metric, amount, per in orjson.loads(row.prices)
    )
    return Rate(**{**row._asdict(), "prices": prices})
