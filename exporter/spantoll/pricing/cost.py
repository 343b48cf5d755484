"""The cost of one call at one price row.

Input: a call, a compiled row and the reasons why the row may not be the call's own. Output: its
amounts in integer nano-USD with a status and reasons, or why it cannot be priced.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from spantoll.pricing.arithmetic import LEDGER_MAX_NANO, Row, line_nano
from spantoll.pricing.bill import has_usage, make_bill
from spantoll.pricing.lines import (
    CONTRADICTION,
    DOUBT,
    NOTE,
    UNPRICED,
    UNREPORTED,
    Remark,
)
from spantoll.pricing.result import Priced, PricingStatus, Unpriced
from spantoll.semconv.call import ModelCall, UsageQuality
from spantoll.semconv.usage import UNKNOWN_EMITTER, UNREAD_CACHE

__all__ = ["compute_cost"]

_DOUBTED = (UNKNOWN_EMITTER, UNREAD_CACHE)
"""How the notes of a call begin that keep its cost from being exact."""

_NO_USAGE = Unpriced("no_usage", "the span carries no usage")
_OUT_OF_RANGE = Unpriced("out_of_range", "the cost does not fit a ledger of 64-bit nano-USD")

_SAYS: Mapping[Remark, str] = MappingProxyType(
    {UNPRICED: "no price for %s", UNREPORTED: "%s not reported", DOUBT: "%s", NOTE: "%s"}
)
_QUALITY: Mapping[UsageQuality, tuple[Remark, str]] = MappingProxyType(
    {
        "estimated": (DOUBT, "counters estimated by the emitter"),
        "partial": (UNREPORTED, "rest of a broken stream"),
        "inconsistent": (DOUBT, CONTRADICTION),
    }
)


def compute_cost(call: ModelCall, row: Row, doubts: tuple[str, ...]) -> Priced | Unpriced:
    """Price a call at one row; `doubts` say why the row may not be the call's own."""
    rate = row.rate
    if row.free:
        return Priced("free", 0, 0, 0, 0, 0, rate.source, rate, "; ".join(doubts) or None)
    lines, remarks = bill = make_bill(call, row)
    if not lines:
        unpriced = bill.texts_of(UNPRICED)
        if unpriced:
            return Unpriced(
                "no_price_for_units",
                f"{rate.provider}/{rate.model} has no price for {', '.join(unpriced)}",
            )
        if not has_usage(call.usage):
            return _NO_USAGE
    shares = [0, 0, 0, 0]
    for price, quantity in lines:
        _, numerator, denominator, share, _ = price
        if denominator == 1 and quantity.__class__ is int:  # nearly all, so spared a call
            shares[share] += numerator * quantity
        else:
            shares[share] += line_nano(price, quantity)
    of_input, of_output, of_cache, other = shares
    total = of_input + of_output + of_cache + other
    if total > LEDGER_MAX_NANO:
        return _OUT_OF_RANGE
    if row.is_doubted:
        doubts = (*doubts, *(price.unit.doubt for price, _ in lines if price.unit.doubt))
    if call.usage_quality == "assumed":
        doubts = (*doubts, *(note for note in call.assumptions if note.startswith(_DOUBTED)))
    status: PricingStatus = "priced"
    reason = None
    if remarks or doubts or call.usage_quality in _QUALITY:
        status, reason = _standing(tuple(remarks), doubts, call.usage_quality)
    return Priced(status, total, of_input, of_output, of_cache, other, rate.source, rate, reason)


@lru_cache(maxsize=2048)
def _standing(
    remarks: tuple[tuple[Remark, str], ...], doubts: tuple[str, ...], quality: UsageQuality
) -> tuple[PricingStatus, str | None]:
    """Return the status of a cost and its reasons; most calls share a few combinations."""
    kinds = {DOUBT} if doubts else set()
    reasons = list(doubts)
    for kind, about in (*((_QUALITY[quality],) if quality in _QUALITY else ()), *remarks):
        kinds.add(kind)
        reasons.append(_SAYS[kind] % about)
    # What could turn out lower is an estimate even if something is left out of it: no lower bound.
    status: PricingStatus = "priced"
    if DOUBT in kinds:
        status = "estimated"
    elif UNPRICED in kinds or UNREPORTED in kinds:
        status = "partial"
    return status, "; ".join(dict.fromkeys(reasons)) or None
