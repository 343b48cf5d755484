"""Dated factors on list prices: what a provider charges for a context as a multiple of its list.

Input: rows of `data/factors.csv`. Output: for a provider, model, dimension and day, the factor and
the metrics it holds for. A factor is used only where no row prices the context itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from spantoll.pricing.result import Rate, UnitPrice
from spantoll.pricing.selector import Selector
from spantoll.pricing.tariff import Tariff, make_rate
from spantoll.pricing.timeline import instant_ns

__all__ = ["TOKEN_METRICS", "Factor", "Factors", "apply_factor"]

TOKEN_METRICS = frozenset(
    {"input", "cache_read", "cache_write", "cache_write_1h", "input_audio", "input_image"}
    | {"input_video", "cache_read_audio", "cache_read_image", "output", "reasoning"}
    | {"output_audio", "output_image", "output_video"}
)
"""What `tokens` in a factor's metrics stands for; tools and requests keep their list price."""


class Factor(NamedTuple):
    """One row: a model of a provider costs `factor` times the list price in a context."""

    provider: str
    model: str
    """A name or a pattern with `*`; it only scales a price that an exact row has given."""
    dimension: str
    value: str
    metrics: frozenset[str]
    factor: Decimal
    valid_from: str
    valid_to: str
    source: str
    doubt: str = ""
    """Why the provider may charge another multiple; a cost scaled by it is `estimated`."""

    @property
    def instants_ns(self) -> tuple[int, ...]:
        """When the row begins and ceases to hold."""
        return tuple(instant_ns(day) for day in (self.valid_from, self.valid_to) if day)

    def holds(self, time_ns: int) -> bool:
        """Return True if the row is in force at `time_ns`."""
        if self.valid_from and time_ns < instant_ns(self.valid_from):
            return False
        return not self.valid_to or time_ns < instant_ns(self.valid_to)


class Factors:
    """The factor rows; of several that match, the first in the file holds."""

    def __init__(self, rows: Iterable[Factor] = ()) -> None:
        self.rows = tuple(rows)
        self._rows: dict[tuple[str, str, str], list[Factor]] = {}
        for row in self.rows:
            self._rows.setdefault((row.provider, row.dimension, row.value), []).append(row)

    def find(
        self, providers: Sequence[str], models: Sequence[str], dimension: str, value: str
    ) -> list[Factor]:
        """Find the rows of any date for one dimension of a call."""
        return [
            row
            for provider in providers
            for row in self._rows.get((provider, dimension, value), ())
            if any(fnmatchcase(model, row.model) for model in models)
        ]

    def find_all(
        self, providers: Sequence[str], models: Sequence[str], wanted: Selector
    ) -> dict[str, list[Factor]]:
        """Find the rows of any date for each dimension of a context."""
        return {
            name: self.find(
                providers, models, name, "" if name == "batch" else getattr(wanted, name)
            )
            for name in Selector().missing(wanted)
        }


def apply_factor(tariff: Tariff, factor: Factor) -> Tariff:
    """Scale a tariff's prices; the new rates name the context the factor stands for."""
    return tariff._replace(rates=tuple(_scaled(rate, factor) for rate in tariff.rates))


def _scaled(rate: Rate, factor: Factor) -> Rate:
    changed: dict[str, Any] = {
        factor.dimension: True if factor.dimension == "batch" else factor.value
    }
    context = Selector.parse(rate.context)._replace(**changed)
    prices = (
        UnitPrice(
            price.metric,
            price.amount_usd * factor.factor,
            price.per,
            factor.source,
            "; ".join(filter(None, (price.doubt, factor.doubt))),
        )
        if price.metric in factor.metrics
        else price
        for price in rate.prices
    )
    return make_rate(
        rate.provider,
        rate.model,
        prices,
        selector=context,
        effective_from=max(rate.effective_from, factor.valid_from),
        effective_to=min(filter(None, (rate.effective_to, factor.valid_to)), default=""),
        source=rate.source if rate.source == "user" else "spantoll",
        price_set=rate.price_set,
    )
