"""Rates as rows of the table `rate`, and back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
from sqlalchemy import Connection, Row, select

from spantoll.pricing.result import Rate, UnitPrice
from spantoll.storage.tables import rate

__all__ = ["from_row", "read_rates", "to_row"]


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


def read_rates(connection: Connection) -> dict[int, Rate]:
    """Read all stored rates, by their ids."""
    rows = connection.execute(select(rate))
    return {row.rate_id: from_row(row) for row in rows}
