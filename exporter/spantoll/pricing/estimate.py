"""What a call would cost, before it is made.

Input: a model, the tokens expected, and how the call will be made. Output: the answer `spantoll
price` gives for such a call, with the price row of each line.
"""

from __future__ import annotations

from typing import Any

from spantoll.pricing.card import RateCard
from spantoll.pricing.price_line import price_record

__all__ = ["estimate_cost"]


def estimate_cost(
    card: RateCard,
    model: str,
    *,
    now_ns: int,
    provider: str | None = None,
    usage: dict[str, Any],
    context: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Estimate the cost of a call to `model` at the prices in force at `now_ns`.

    `usage` and `context` are those of docs/prices.md; the provider is found by the model's name
    where it is not given.
    """
    record = {"provider": provider, "request_model": model, "usage": usage, "context": context}
    return price_record(card, record, now_ns=now_ns)
