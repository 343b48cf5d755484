"""Price rows given one by one: a user's own prices, defaults, built-in zero rows.

Input: `Rate` rows. Output: the tariff of a model in a context over time. Names are matched exactly,
without case; an exact model outranks `*`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256

from spantoll.pricing.result import PriceSet, Rate
from spantoll.pricing.selector import Selector
from spantoll.pricing.tariff import Tariff
from spantoll.pricing.timeline import Timeline, instant_ns, tabulate

__all__ = ["ANY", "RateTable"]

ANY = "*"
"""As a rate's model: every model of the provider; as its provider: every provider."""

_ALWAYS_NS = -(2**63)


class RateTable:
    """Rows by provider and model.

    Where two rows hold at once the one with the later `effective_from` wins. A long-context step
    needs a row without one.
    """

    def __init__(self, rates: Iterable[Rate], *, source: str, version: str = "") -> None:
        self._rates: dict[tuple[str, str], list[tuple[Selector, Rate]]] = defaultdict(list)
        count = 0
        digest = sha256()
        for rate in sorted(rates, key=lambda rate: rate.rate_id):
            selector = Selector.parse(rate.context)
            self._rates[rate.provider.lower(), rate.model.lower()].append((selector, rate))
            digest.update(rate.rate_id.to_bytes(8, "big"))
            count += 1
        self.price_set = PriceSet(source, version, digest.hexdigest(), count, "")

    def knows(self, provider: str) -> bool:
        """Return True if there is any rate for `provider`."""
        return any(owner in {provider, ANY} for owner, _ in self._rates)

    def list_models(self) -> Iterator[tuple[str, str]]:
        """List provider and model of what has a price of its own name."""
        return iter(self._rates)

    def list_names(self, providers: Sequence[str]) -> frozenset[str] | None:
        """List what rows of these providers are for; see `PriceSource.list_names`."""
        names = {model for owner, model in self._rates if owner == ANY or owner in providers}
        return None if ANY in names else frozenset(names)

    def find(self, provider: str, model: str, selector: Selector) -> Timeline[Tariff | None] | None:
        """Find the rates of a model; see `PriceSource.find`."""
        name = model.lower()
        for key in ((provider, name), (provider, ANY), (ANY, name), (ANY, ANY)):
            if key in self._rates:
                return _timeline(self._rates[key], selector)
        return None


def _timeline(rates: list[tuple[Selector, Rate]], wanted: Selector) -> Timeline[Tariff | None]:
    rates = [(selector, rate) for selector, rate in rates if selector.call == wanted.call]
    starts = {instant_ns(rate.effective_from) for _, rate in rates if rate.effective_from}
    ends = {instant_ns(rate.effective_to) for _, rate in rates if rate.effective_to}
    minutes = {mark for selector, _ in rates for mark in selector.minutes}

    def on(time_ns: int, minute: int, is_rest_day: bool) -> Tariff | None:
        held = sorted(
            (instant_ns(rate.effective_from) if rate.effective_from else _ALWAYS_NS, selector, rate)
            for selector, rate in rates
            if selector.covers(minute, is_rest_day=is_rest_day) and _holds(rate, time_ns)
        )
        rows = {selector.min_input_tokens: rate for _, selector, rate in held}
        if 0 not in rows:
            return None
        steps = tuple(sorted(rows))
        return Tariff(tuple(rows[step] for step in steps), steps)

    return tabulate(
        on,
        starts_ns=starts | ends,
        minutes=minutes,
        calendar=next((selector.days for selector, _ in rates if selector.days), ""),
    )


def _holds(rate: Rate, time_ns: int) -> bool:
    if rate.effective_from and time_ns < instant_ns(rate.effective_from):
        return False
    return not rate.effective_to or time_ns < instant_ns(rate.effective_to)
