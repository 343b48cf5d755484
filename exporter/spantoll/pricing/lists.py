"""Price lists of providers: the catalogue and SpanToll's own rows, merged by precedence.

Input: (provider, model, context). Output: what the list charges over time. `data/prices` outranks
the catalogue and the catalogue outranks `data/history`, metric by metric: the first source that
prices a metric in a context prices it at every length of input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from spantoll.pricing import aliases
from spantoll.pricing.dated_rows import RowOwner, tabulate_rows
from spantoll.pricing.documents import PriceDocument, read_litellm_rows
from spantoll.pricing.factors import Factor, Factors, apply_factor
from spantoll.pricing.names import list_spellings, split_provider
from spantoll.pricing.result import PriceSet, Rate, UnitPrice
from spantoll.pricing.selector import Selector
from spantoll.pricing.shipped import (
    ShippedRow,
    list_providers,
    load_price_set,
    load_provider,
)
from spantoll.pricing.table import ANY
from spantoll.pricing.tariff import PriceSource, Tariff, make_rate
from spantoll.pricing.timeline import Timeline, tabulate

__all__ = ["PriceLists", "ShippedPrices", "owners_of_provider"]

PLAIN = Selector()


def owners_of_provider(provider: str) -> tuple[str, ...]:
    """Name the shipped price lists that hold for a provider, its own first."""
    own = aliases.OWN_LISTS.get(provider) or aliases.PROVIDERS.get(provider, provider)
    return (own, *aliases.SHARED_LISTS.get(own, ()))


class ShippedPrices:
    """The rows of one folder of `data`, by the exact names of the models.

    `load` reads and checks the rows of a provider; it is called once, when the provider is first
    asked for: a process rarely bills more than a few.
    """

    def __init__(
        self,
        load: Callable[[str], Iterable[ShippedRow]],
        providers: Iterable[str],
        price_set: PriceSet,
        *,
        source: str = "spantoll",
    ) -> None:
        self.price_set = price_set
        self._source = source
        self._load = load
        self._providers = frozenset(providers)
        self._rows: dict[str, dict[str, list[ShippedRow]]] = {}

    @classmethod
    def open_folder(cls, folder: str) -> ShippedPrices:
        """Open `prices` or `history`."""
        return cls(partial(load_provider, folder), list_providers(folder), load_price_set(folder))

    @classmethod
    def from_litellm(cls, document: PriceDocument) -> ShippedPrices:
        """Read LiteLLM's JSON that was synced."""
        rows: dict[str, list[ShippedRow]] = {}
        for row in read_litellm_rows(document):
            rows.setdefault(row.provider, []).append(row)
        price_set = PriceSet(
            document.source, document.version, document.sha256, document.models, document.as_of
        )
        return cls(rows.__getitem__, rows, price_set, source=document.source)

    def knows(self, provider: str) -> bool:
        """Return True if there is any row for `provider`."""
        return not self._providers.isdisjoint(owners_of_provider(provider))

    def list_models(self) -> Iterator[tuple[str, str]]:
        """List provider and model of what has a price of its own name."""
        for provider in sorted(self._providers):
            for row_model in self._load_models(provider):
                if row_model != ANY:
                    yield provider, row_model

    def list_names(self, providers: Sequence[str]) -> frozenset[str]:
        """List the names of the rows of some providers; see `PriceSource.list_names`."""
        owners = {owner for provider in providers for owner in owners_of_provider(provider)}
        return frozenset().union(*map(self._load_models, owners & self._providers))

    def find_common(self, provider: str) -> Timeline[Tariff | None] | None:
        """Find what a provider charges with any of its models: the rows of model `*`."""
        for owner in owners_of_provider(provider):
            rows = self._find_rows(owner, ANY)
            if rows is not None:
                return self._tabulate(owner, ANY, rows, PLAIN)
        return None

    def find(self, provider: str, model: str, selector: Selector) -> Timeline[Tariff | None] | None:
        """Find the rows of a model; see `PriceSource.find`."""
        for owner in owners_of_provider(provider):
            for name in list_spellings(aliases.PROVIDERS.get(provider, provider), model):
                rows = self._find_rows(owner, name)
                if rows is not None:
                    return self._tabulate(owner, name, rows, selector)
        return None

    def _find_rows(self, provider: str, model: str) -> list[ShippedRow] | None:
        if provider not in self._providers:
            return None
        return self._load_models(provider).get(model)

    def _load_models(self, provider: str) -> dict[str, list[ShippedRow]]:
        models = self._rows.get(provider)
        if models is None:
            models = {}
            for row in self._load(provider):
                models.setdefault(row.model, []).append(row)
            self._rows[provider] = models
        return models

    def _tabulate(
        self, owner: str, model: str, rows: Sequence[ShippedRow], wanted: Selector
    ) -> Timeline[Tariff | None]:
        return tabulate_rows(
            RowOwner(owner, model, self._source, self.price_set.sha256), rows, wanted
        )


class PriceLists:
    """The lists of the same providers, highest precedence first, merged metric by metric."""

    def __init__(
        self,
        prices: ShippedPrices,
        catalogue: PriceSource,
        history: ShippedPrices,
        factors: Factors,
        *,
        second: Sequence[PriceSource] = (),
    ) -> None:
        self.price_set = catalogue.price_set
        self._prices = prices
        self.sources: tuple[PriceSource, ...] = (prices, catalogue, history, *second)
        self._factors = factors

    def knows(self, provider: str) -> bool:
        """Return True if any of the lists has a price for `provider`."""
        return any(source.knows(provider) for source in self.sources)

    def list_models(self) -> Iterator[tuple[str, str]]:
        """List provider and model of what has a price of its own name."""
        for source in self.sources:
            yield from source.list_models()

    def list_names(self, providers: Sequence[str]) -> frozenset[str] | None:
        """List the names of all the lists; see `PriceSource.list_names`."""
        names = [source.list_names(providers) for source in self.sources]
        known = [each for each in names if each is not None]
        return frozenset().union(*known) if len(known) == len(names) else None

    def find(self, provider: str, model: str, selector: Selector) -> Timeline[Tariff | None] | None:
        """Find the merged prices of a model; see `PriceSource.find`."""
        found = [source.find(provider, model, selector) for source in self.sources]
        lists = [timeline for timeline in found if timeline is not None]
        if not lists:
            return None
        if selector == PLAIN:
            rest = self._prices.find_common(provider)
            return lists[0] if len(lists) == 1 and rest is None else _merged(lists, rest, ())
        owners = owners_of_provider(provider)
        factors = self._factors.find_all(owners, [split_provider(model.lower())[1]], selector)
        return _merged(lists, self.find(provider, model, PLAIN), tuple(factors.values()))


def _merged(
    lists: Sequence[Timeline[Tariff | None]],
    rest: Timeline[Tariff | None] | None,
    factors: Sequence[Sequence[Factor]],
) -> Timeline[Tariff | None]:
    def on(time_ns: int, minute: int, is_rest_day: bool) -> Tariff | None:
        merged: Tariff | None = None
        for timeline in lists:
            tariff = timeline.value_on(time_ns, minute, is_rest_day)
            if tariff is not None:
                merged = tariff if merged is None else merge_tariffs(merged, tariff)
        if merged is None or rest is None:
            return merged
        # A row may price only a part of what the context changes; the rest is the list price, by
        # the context's factors. A search costs the same in a batch.
        base = rest.value_on(time_ns, minute, is_rest_day)
        if base is None:
            return merged
        if _is_fragment(merged, base):
            return None
        for rows in factors:
            factor = next((row for row in rows if row.holds(time_ns)), None)
            base = base if factor is None else apply_factor(base, factor)
        return merge_tariffs(merged, base)

    every = (*lists, rest) if rest is not None else lists
    return tabulate(
        on,
        starts_ns=(
            *(start for timeline in every for start in timeline.starts_ns),
            *(instant for rows in factors for row in rows for instant in row.instants_ns),
        ),
        minutes=(minute for timeline in every for minute in timeline.minutes),
        calendar=next((timeline.calendar for timeline in every if timeline.calendar), ""),
    )


def _is_fragment(tariff: Tariff, base: Tariff) -> bool:
    """Return True if a context prices neither input nor output although the list price does.

    Such a row says nothing of the context's token prices; a factor or the list price does.
    """
    priced = {price.metric for rate in tariff.rates for price in rate.prices}
    listed = {price.metric for rate in base.rates for price in rate.prices}
    return not priced & {"input", "output"} and bool(listed & {"input", "output"})


def merge_tariffs(high: Tariff, low: Tariff) -> Tariff:
    """Merge two tariffs: a metric that `high` prices at a length of input is taken from it."""
    doubts = tuple(dict.fromkeys((*high.doubts, *low.doubts)))
    below_metrics = {price.metric for rate in low.rates for price in rate.prices}
    if below_metrics.issubset(price.metric for price in high.rates[0].prices):
        return high._replace(doubts=doubts)
    steps = tuple(sorted({*high.steps, *low.steps}))
    rates = []
    for step in steps:
        above, below = high.rate_for_input(step), low.rate_for_input(step)
        own = {price.metric for price in above.prices}
        prices = (*above.prices, *(price for price in below.prices if price.metric not in own))
        rates.append(_joined(above, below, prices, step))
    return Tariff(tuple(rates), steps, doubts)


def _joined(above: Rate, below: Rate, prices: tuple[UnitPrice, ...], step: int) -> Rate:
    named = below if below.source == "catalogue" else above
    selector = Selector.parse(above.context)._replace(min_input_tokens=step)
    below_selector = Selector.parse(below.context)
    return make_rate(
        named.provider,
        named.model,
        prices,
        selector=selector._replace(
            utc=selector.utc or below_selector.utc, days=selector.days or below_selector.days
        ),
        effective_from=max(above.effective_from, below.effective_from),
        effective_to=min(filter(None, (above.effective_to, below.effective_to)), default=""),
        source=named.source,
        price_set=named.price_set,
    )
