from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import orjson
from sqlalchemy import Row

from spantoll.pricing.result import Rate, UnitPrice
from spantoll.storage.tables import rate

__all__ = ["rate", "read", "rows"]


def rows(rates: Sequence[Rate]) -> list[dict[str, object]]:
    """Put rates into columns; unit prices as exact decimal text."""
    return [
        {
            **each._asdict(),
            "prices": orjson.dumps(
                [[price.metric, str(price.amount_usd), price.per] for price in each.prices]
            ).decode(),
        }
        for each in rates
    ]


def read(row: Row[Any]) -> Rate:
    """Read a row of the table `rate`."""
    prices = tuple(
        UnitPrice(metric, Decimal(amount), per) for metric, amount, per in orjson.loads(row.prices)
    )
    return Rate(**{**row._mapping, "prices": prices})
