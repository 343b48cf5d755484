"""Tariffs: the price rows of one model in one context, and what a price source is.

Input: unit prices. Output: a `Rate` whose id follows from its content, and `Tariff`, the rates of
each long-context step.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import NamedTuple, Protocol

from spantoll.pricing.arithmetic import EXACT
from spantoll.pricing.result import PriceSet, Rate, UnitPrice
from spantoll.pricing.selector import Selector
from spantoll.pricing.timeline import Timeline

__all__ = ["PriceSource", "Tariff", "make_rate"]


class Tariff(NamedTuple):
    """The rates of one model at one time, one per long-context step, lowest first."""

    rates: tuple[Rate, ...]
    steps: tuple[int, ...]
    """`rates[i]` prices the whole request from `steps[i]` input tokens on; `steps[0]` is 0."""
    doubts: tuple[str, ...] = ()
    """Why these may not be the call's own prices; any makes the cost `estimated`."""

    def rate_for_input(self, tokens: int) -> Rate:
        """Return the rate of a request with this total of input tokens."""
        return self.rates[bisect_right(self.steps, tokens) - 1]


class PriceSource(Protocol):
    """A price list. The first of the sources that has a price at the time wins."""

    price_set: PriceSet

    def knows(self, provider: str) -> bool:
        """Return True if there is any price for `provider`, a canonical name."""
        ...

    def list_models(self) -> Iterator[tuple[str, str]]:
        """List provider and model of what has a price of its own name."""
        ...

    def list_names(self, providers: Sequence[str]) -> frozenset[str] | None:
        """Return what `find` may answer to at some providers: names in lower case, a superset.

        Spellings of `list_spellings` and the versions of a fine-tune are not in it. None where any
        name may be answered to.
        """
        ...

    def find(self, provider: str, model: str, selector: Selector) -> Timeline[Tariff | None] | None:
        """Find the prices of a model by the name a call carries, or None.

        `selector` is matched exactly: a time at which the list has no price for this context has
        None. The caller tries weaker contexts and factors.
        """
        ...


def make_rate(
    provider: str,
    model: str,
    prices: Iterable[UnitPrice],
    *,
    selector: Selector | None = None,
    effective_from: str = "",
    effective_to: str = "",
    source: str,
    price_set: str = "",
) -> Rate:
    """Make a rate with the id that follows from its content."""
    listed = tuple(prices)
    context = str(selector or Selector())
    # Amounts are written plainly: 2.50 and 2.5 are one price and must be one id.
    written = ",".join(
        f"{p.metric}={p.amount_usd.normalize(EXACT):f}/{p.per}" for p in sorted(listed)
    )
    content = "\n".join(
        (provider, model, context, written, effective_from, effective_to, source, price_set)
    )
    rate_id = int.from_bytes(blake2b(content.encode(), digest_size=8).digest(), "big") >> 1
    return Rate(
        rate_id,
        provider,
        model,
        context,
        listed,
        effective_from,
        effective_to,
        source,
        price_set,
    )
