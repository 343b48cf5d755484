"""What pricing answers: a cost with its status and row, or the reason why there is none.

Amounts are integer nano-USD; unit prices are exact decimals of USD.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, NamedTuple

__all__ = ["CostLine", "PriceSet", "Priced", "PricingStatus", "Rate", "UnitPrice", "Unpriced"]

PricingStatus = Literal["priced", "free", "partial", "estimated", "unpriced"]


class PriceSet(NamedTuple):
    """Which price list answered: `sha256` is its identity, the rest is for people."""

    source: str
    version: str
    sha256: str
    rows: int
    """Models with a price."""
    as_of: str
    """ISO date of the newest price change in it that is already in force."""


class UnitPrice(NamedTuple):
    """Money for a number of units of one metric, e.g. 2.50 USD per 1,000,000 input tokens."""

    metric: str
    amount_usd: Decimal
    per: int
    source: str = ""
    """Page or public table a shipped price was read from; empty for the catalogue and users."""
    doubt: str = ""
    """Why the provider may charge another amount; a cost with a line at it is `estimated`."""


class Rate(NamedTuple):
    """The price row that prices a call; immutable, so its id can stand on every record.

    `rate_id` is the positive 63-bit hash of everything else, the same on every machine.
    """

    rate_id: int
    provider: str
    """Provider of the price list, which may differ from who was called (Azure at OpenAI's list)."""
    model: str
    context: str
    """Canonical text of what selected this row beyond the model: batch, service tier, speed, long
    context threshold, time of day (see `Selector`); empty for the plain list price."""
    prices: tuple[UnitPrice, ...]
    effective_from: str
    """ISO date or date-time (UTC) from which the row holds, inclusive; empty = always."""
    effective_to: str
    """Exclusive; empty = open."""
    source: str
    """catalogue, user, default, builtin."""
    price_set: str
    """sha256 of the catalogue the row came from."""


class CostLine(NamedTuple):
    """One metric's share of a cost: quantity x unit price, rounded half-even once."""

    metric: str
    quantity: int | Decimal
    unit_price: UnitPrice
    nano: int


class Priced(NamedTuple):
    """What a call costs, in integer nano-USD.

    `partial`: something that was used has no price or was not reported, so `cost_nano` is a lower
    bound and `reason` names it. `estimated`: a price was applied that may not be this call's, or
    the counters themselves are doubtful. `free`: an explicit zero row, or nothing was billed.
    """

    status: PricingStatus
    cost_nano: int
    input_nano: int
    output_nano: int
    cache_nano: int
    other_nano: int
    source: str
    """catalogue, user, default, builtin (the rate's), reported (the bill's own number), none."""
    rate: Rate | None
    """None when the cost is the provider's own number, or nothing was called (cache hit)."""
    reason: str | None = None
    catalogue_nano: int | None = None
    """What the price list says when `cost_nano` is a reported cost; None if it has no answer."""


class Unpriced(NamedTuple):
    """Why a call has no cost. The cost is unknown, not zero.

    Reasons: no_model, unknown_provider, unknown_model, no_usage, no_price_for_units, out_of_range.
    """

    reason: str
    detail: str
