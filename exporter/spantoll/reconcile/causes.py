"""Why a bill and the ledger differ: a table of rules.

Input: a `Comparison`. Output: its likely causes, in the order of the table. A rule looks at both
sides and returns what it found, or None; it reads only what is in the comparison. A rule that is
marked `alone` is evaluated only if none before it matched.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from spantoll.reconcile.comparison import Cause, Comparison, Scope
from spantoll.reconcile.line import (
    CACHE_READ,
    CACHE_WRITE,
    REQUESTS,
    UNCACHED_INPUT,
)

__all__ = ["RULES", "Rule", "find_causes"]

ORDINARY_TIERS = frozenset({"standard", "default", "auto", "on_demand", "on-demand", "batch"})
"""Tiers at ordinary prices; batch has a rule of its own."""

LEDGER_ROUNDING_USD = Decimal("0.000000002")
"""Per call: four cost lines, each rounded to the nano-dollar, by half of one at most."""


class Rule(NamedTuple):
    """One cause of differences."""

    name: str
    threshold: Decimal
    """The share from which on the two sides count as different."""
    explain: Callable[[Comparison, Decimal], str | None]
    reason: str
    source: str
    example: str
    alone: bool = False


def find_causes(comparison: Comparison) -> tuple[Cause, ...]:
    """Find the likely causes of a difference, the likeliest first; none where there is none."""
    if not _differs(comparison):
        return ()
    found: list[Cause] = []
    for rule in RULES:
        if rule.alone and found:
            continue
        explanation = rule.explain(comparison, rule.threshold)
        if explanation is not None:
            found.append(Cause(rule.name, explanation))
    return tuple(found)


def _differs(each: Comparison) -> bool:
    same = all(each.agrees(name, Decimal(0)) for name in each.metrics)
    costs_known = each.billed.cost_usd is not None
    return not same or (costs_known and each.drift_usd != 0)


def _explain_no_call(each: Comparison, _: Decimal) -> str | None:
    if each.used.requests or each.used.cost_usd is not None or not each.billed.rows:
        return None
    if each.scope is Scope.OTHER_CHARGES:
        return "the ledger has no cost beyond tokens on this day"
    return "the ledger has no call of it on this day"


def _explain_not_billed(each: Comparison, _: Decimal) -> str | None:
    return None if each.billed.rows else f"{_count_calls(each.used.requests)}, none in the bill"


def _explain_rounding(each: Comparison, _: Decimal) -> str | None:
    if each.drift_usd is None or not all(each.agrees(name, Decimal(0)) for name in each.metrics):
        return None
    bound = each.billed.rounding_usd + LEDGER_ROUNDING_USD * each.used.requests
    if abs(each.drift_usd) > bound:
        return None
    return f"{each.billed.rows} rounded amounts can be {bound:f} USD off"


def _explain_unpriced(each: Comparison, _: Decimal) -> str | None:
    if not each.used.unpriced_requests or (each.drift_usd or Decimal(-1)) > 0:
        return None
    return (
        f"{each.used.unpriced_requests} of {_count_calls(each.used.requests)} without a full price"
    )


def _explain_missing_usage(each: Comparison, threshold: Decimal) -> str | None:
    if not _has_all_requests(each, threshold) or not _is_short(each, threshold):
        return None
    return f"all requests are there, {each.coverage:.1%} of their tokens"


def _explain_missing_calls(each: Comparison, threshold: Decimal) -> str | None:
    if _has_all_requests(each, threshold) or not _is_short(each, threshold):
        return None
    return f"the ledger has {each.coverage:.1%} of the billed usage" if each.used.requests else None


def _explain_extra_calls(each: Comparison, threshold: Decimal) -> str | None:
    if each.coverage is None or each.coverage <= 1 + threshold:
        return None
    return f"the ledger has {each.coverage:.1%} of the billed usage"


def _explain_cache(each: Comparison, threshold: Decimal) -> str | None:
    inputs = (UNCACHED_INPUT, CACHE_READ, CACHE_WRITE)
    if UNCACHED_INPUT in each.metrics and len(each.metrics) > 1:
        billed = sum((each.billed.quantities.get(name, Decimal(0)) for name in inputs), Decimal(0))
        used = sum((each.used_quantity(name) for name in inputs), Decimal(0))
        if not billed or not used:
            return None
        billed_share, used_share = (
            1 - each.billed.quantities[UNCACHED_INPUT] / billed,
            1 - each.used_quantity(UNCACHED_INPUT) / used,
        )
        if abs(used_share - billed_share) <= threshold:
            return None
        return (
            f"caches are {billed_share:.1%} of the billed input, {used_share:.1%} of the ledger's"
        )
    if each.billed.cache_cost_usd is None or each.billed.cost_usd is None:
        return None
    difference = each.used.cache_cost_usd - each.billed.cache_cost_usd
    if not each.used.requests or abs(difference) <= threshold * each.billed.cost_usd:
        return None
    return (
        f"caches cost {each.billed.cache_cost_usd:f} USD there, {each.used.cache_cost_usd:f} here"
    )


def _explain_batch(each: Comparison, threshold: Decimal) -> str | None:
    batch = each.used.batch_requests
    if each.billed.batch and not batch and each.used.requests:
        return "billed at batch prices, in the ledger are no batch calls"
    share = each.drift_share
    if share is None or not each.used.requests or not _agrees_in_usage(each):
        return None
    if _list_other_tiers(each):
        return None  # flex is half price too, and the bill names it
    if not batch and abs(share - 1) <= threshold:
        return "the ledger's cost is twice the bill's: half price is what batches cost"
    if batch and not each.billed.batch and abs(share + Decimal("0.5")) <= threshold:
        return f"the ledger's cost is half the bill's, {_count_calls(batch)} priced as batch"
    return None


def _explain_tier(each: Comparison, _: Decimal) -> str | None:
    billed_tiers, used_tiers = _list_other_tiers(each), sorted(each.used.tiers - ORDINARY_TIERS)
    if not billed_tiers or not each.used.requests:
        return None
    return f"billed as {', '.join(billed_tiers)}, in the ledger {', '.join(used_tiers) or 'none'}"


def _explain_estimate(each: Comparison, _: Decimal) -> str | None:
    count = each.used.estimated_requests
    if not count or not each.drift_usd:
        return None
    return f"{count} of {_count_calls(each.used.requests)} with an estimated price"


def _explain_price(each: Comparison, threshold: Decimal) -> str | None:
    share = each.drift_share
    if not each.metrics or share is None or abs(share) <= threshold or not _agrees_in_usage(each):
        return None
    return f"the same usage costs {abs(share):.1%} {'more' if share > 0 else 'less'} in the ledger"


def _explain_amounts_only(each: Comparison, _: Decimal) -> str | None:
    return None if each.metrics else "the bill has amounts only; give the usage export as well"


def _explain_rest(_: Comparison, __: Decimal) -> str | None:
    return "no rule explains it"


def _list_other_tiers(each: Comparison) -> list[str]:
    """List tiers with prices of their own that only the bill names; many exports name none."""
    return sorted(each.billed.tiers - ORDINARY_TIERS - each.used.tiers)


def _count_calls(count: int) -> str:
    return f"{count:,} call{'s' * (count != 1)}"


def _is_short(each: Comparison, threshold: Decimal) -> bool:
    return each.coverage is not None and each.coverage < 1 - threshold


def _has_all_requests(each: Comparison, threshold: Decimal) -> bool:
    tokens = each.metrics != (REQUESTS,)
    return tokens and REQUESTS in each.billed.quantities and each.agrees(REQUESTS, threshold)


def _agrees_in_usage(each: Comparison) -> bool:
    """Return True if the usage that both report agrees, or the bill reports none."""
    return all(each.agrees(name, QUANTITY_TOLERANCE) for name in each.metrics)


QUANTITY_TOLERANCE = Decimal("0.005")
"""Calls around midnight, and those a provider counts late, move less than this on a busy day; what
is above it is worth a look. It is no provider's figure."""
BATCH_TOLERANCE = Decimal("0.02")
"""How far from exactly half a cost may be to be read as the batch discount."""
ALWAYS = Decimal(0)
OWN = "arithmetic of the two sides"

RULES = (
    Rule(
        "no_calls",
        ALWAYS,
        _explain_no_call,
        "Nothing of it reached the ledger: not instrumented, another application, or a name that "
        "matches none in the ledger (see --alias).",
        OWN,
        "bill $4.00, ledger no call",
    ),
    Rule(
        "not_billed",
        ALWAYS,
        _explain_not_billed,
        "Another account or key was billed, the export is filtered or not complete yet, or its "
        "name matches none of the bill (see --alias).",
        OWN,
        "bill none, ledger 12 calls",
    ),
    Rule(
        "rounding",
        ALWAYS,
        _explain_rounding,
        "The bill rounds each amount to its last decimal place, the ledger to the nano-dollar.",
        OWN,
        "bill $0.05, ledger $0.0486",
    ),
    Rule(
        "unpriced",
        ALWAYS,
        _explain_unpriced,
        "Calls without a full price are in the usage, not in the cost: `spantoll doctor`.",
        OWN,
        "bill $4.00, ledger $3.00+ with 2 calls unpriced",
    ),
    Rule(
        "missing_usage",
        QUANTITY_TOLERANCE,
        _explain_missing_usage,
        "The calls are there, their token counts are not: streams without usage, or an emitter "
        "that leaves them out. `spantoll health` names it.",
        OWN,
        "10 requests each, bill 1000 tokens, ledger 800",
    ),
    Rule(
        "missing_calls",
        QUANTITY_TOLERANCE,
        _explain_missing_calls,
        "Calls were billed that the ledger did not receive: an application or key that is not "
        "instrumented, sampling, or spans that were lost.",
        "https://github.com/BerriAI/litellm/issues/34801",
        "bill 1000 tokens, ledger 900",
    ),
    Rule(
        "extra_calls",
        QUANTITY_TOLERANCE,
        _explain_extra_calls,
        "The ledger has calls the bill lacks: an export that is filtered or not complete yet, "
        "another account, or calls counted twice.",
        OWN,
        "bill 1000 tokens, ledger 1100",
    ),
    Rule(
        "cache_tokens",
        QUANTITY_TOLERANCE,
        _explain_cache,
        "Cached input is billed at its own price; the emitter counts it in another way.",
        "https://docs.aws.amazon.com/bedrock/latest/userguide/cost-mgmt-understanding-cur-data.html",
        "bill 200 + 800 cached, ledger 1000 + 0 cached",
    ),
    Rule(
        "batch_discount",
        BATCH_TOLERANCE,
        _explain_batch,
        "OpenAI, Anthropic and Bedrock charge half for batches; the span does not say that the "
        "call was part of one.",
        "https://docs.aws.amazon.com/bedrock/latest/userguide/capacity-limits-cost-optimization.html",
        "bill $1.00, ledger $2.00 for the same tokens",
    ),
    Rule(
        "service_tier",
        ALWAYS,
        _explain_tier,
        "A tier such as flex or priority has prices of its own; the spans name another or none.",
        "https://aws.amazon.com/bedrock/service-tiers",
        "billed as flex, in the ledger none",
    ),
    Rule(
        "estimated_price",
        ALWAYS,
        _explain_estimate,
        "The ledger's price is an estimate and says so: `spantoll explain`.",
        OWN,
        "3 of 10 calls have an estimated price",
    ),
    Rule(
        "price",
        QUANTITY_TOLERANCE,
        _explain_price,
        "The usage agrees, the price does not: a negotiated price, a price that changed, or a row "
        "that is wrong.",
        OWN,
        "the same tokens, bill $1.00, ledger $1.25",
        alone=True,
    ),
    Rule(
        "amounts_only",
        ALWAYS,
        _explain_amounts_only,
        "Without quantities, missing calls and a different price look alike.",
        OWN,
        "bill $1.00, ledger $0.70",
        alone=True,
    ),
    Rule(
        "unexplained",
        ALWAYS,
        _explain_rest,
        "No rule above matches.",
        OWN,
        "bill $1.00, ledger $1.003",
        alone=True,
    ),
)
"""In the order in which they are named; what is missing on one side comes before prices."""
