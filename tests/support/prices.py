"""Rate cards that tests price with: the same models at prices that are given."""

from __future__ import annotations

from decimal import Decimal

from spantoll.pricing import PriceSet, RateCard, UnitPrice
from spantoll.pricing.table import RateTable
from spantoll.pricing.tariff import make_rate

__all__ = ["make_card"]


def make_card(**dollars: str) -> RateCard:
    """Make a card on which a token of each OpenAI model costs so many dollars per million."""
    table = RateTable(
        (
            make_rate(
                "openai",
                model.replace("_", "-"),
                [UnitPrice(metric, Decimal(amount), 1_000_000) for metric in ("input", "output")],
                source="user",
            )
            for model, amount in dollars.items()
        ),
        source="user",
    )
    return RateCard((table,), price_set=PriceSet("none", "", "", 0, ""))
