"""Which price a call is billed at: the provider, the model and the context it was served in.

Input: what a call reports (`PriceRequest`). Output: its tariff over time, or why it has none. The
model and the tier of the response stand before those of the request.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from spantoll.pricing import aliases
from spantoll.pricing.elsewhere import (
    find_maker,
    find_named_seller,
    find_only_seller,
    serves_open_weights,
)
from spantoll.pricing.factors import Factor, Factors, apply_factor
from spantoll.pricing.lists import owners_of_provider
from spantoll.pricing.long_inputs import extend_steps
from spantoll.pricing.names import (
    explain_opaque_name,
    is_bedrock_id,
    is_bedrock_profile,
    split_provider,
)
from spantoll.pricing.own_table import complete_tariff, is_fragment
from spantoll.pricing.places import Whereabouts, place_of_call
from spantoll.pricing.result import Rate, Unpriced
from spantoll.pricing.selector import Selector
from spantoll.pricing.table import ANY
from spantoll.pricing.tariff import PriceSource, Tariff
from spantoll.pricing.timeline import Timeline, tabulate

__all__ = ["Found", "PriceRequest", "resolve"]

_DEFAULT = "default price, the model has none of its own"
_ORDINARY_SPEEDS = frozenset({"", "standard", "normal"})


class PriceRequest(NamedTuple):
    """Everything of a call that its prices depend on, but for its size and time."""

    provider: str | None
    response_model: str | None
    request_model: str | None
    service_tier: str | None = None
    service_tier_requested: str | None = None
    speed: str | None = None
    batch: bool = False
    deployment_type: str | None = None
    region: str | None = None
    server_address: str | None = None
    data_residency: str | None = None
    endpoint_scope: str | None = None
    speed_requested: str | None = None
    thinking: bool = False
    """Whether the answer has reasoning tokens."""


Found = Timeline[Tariff | Unpriced]
Offers = dict[Selector, Timeline[Tariff | None]]
"""What one source charges for a model, by context."""


def resolve(
    sources: Sequence[PriceSource], request: PriceRequest, factors: Factors | None = None
) -> Found | Unpriced:
    """Find the price of a call from each change of prices on, or the reason why it has none."""
    models = _candidates(request)
    if not models:
        return Unpriced("no_model", "the span names no model")
    provider, doubts = _provider(request.provider, models)
    unnamed = Unpriced(
        "unknown_provider",
        f"the span names no provider and {models[0]} belongs to none we know: have it carry"
        " gen_ai.provider.name",
    )
    is_named = provider is not None
    provider = provider or ANY
    wanted, doubt = _selector(request, provider)
    if models[0].rpartition("/")[2].lower().startswith(aliases.THINKING_MODELS):
        wanted = wanted._replace(thinking="on" if request.thinking else "off")
    offers = _offers(sources, provider, models, wanted)
    if not offers and not is_named:
        return unnamed
    if not offers:
        elsewhere = _resolve_elsewhere(sources, request, provider, models, factors)
        return elsewhere or _unpriced(sources, provider, models[0])
    names = [split_provider(model.lower())[1] for model in models]
    found = (factors or Factors()).find_all(owners_of_provider(provider), names, wanted)
    search = _Search(offers, wanted, found)
    gap = Unpriced("unknown_model", _no_price(provider, models[0]) + " for this date")
    is_open = serves_open_weights(provider, models, request.server_address)
    anybody = Unpriced("unknown_model", _no_price(provider, models[0]) + ": anybody may serve it")

    def on(time_ns: int, minute: int, is_rest_day: bool) -> Tariff | Unpriced:
        tariff = search.find(time_ns, minute, is_rest_day)
        if tariff is None:
            return gap
        if is_open and _is_listed(tariff):
            return anybody
        default = (_DEFAULT,) if _is_default(tariff.rates[0]) else ()
        reasons = dict.fromkeys((*doubts, *doubt, *default, *tariff.doubts))
        return tariff._replace(doubts=tuple(reasons))

    timelines = [timeline for offer in offers for timeline in offer.values()]
    return tabulate(
        on,
        starts_ns=(
            *(start for timeline in timelines for start in timeline.starts_ns),
            *search.factor_starts_ns(),
        ),
        minutes=(mark for timeline in timelines for mark in timeline.minutes),
        calendar=next((timeline.calendar for timeline in timelines if timeline.calendar), ""),
    )


def _is_default(rate: Rate) -> bool:
    """Return True if a row is for any model: what it prices is an estimate, unless it is free."""
    return rate.source == "default" or (rate.source == "user" and rate.model == ANY)


class _Search(NamedTuple):
    """How the price of a context is found among what the sources offer.

    In this order: a row for the context itself; a row for part of it, scaled by the dated factors
    of the rest; a row for the context that begins later; the list price.
    """

    offers: tuple[Offers, ...]
    wanted: Selector
    factors: dict[str, list[Factor]]

    def find(self, time_ns: int, minute: int, is_rest_day: bool) -> Tariff | None:
        """Find the tariff in force at a time, with the reasons why it may not be the call's own."""
        fallback: Tariff | None = None
        for honoured in self.wanted.weaker():
            tariff = self._offer(honoured, time_ns, minute, is_rest_day)
            if tariff is None:
                continue
            if honoured.call != Selector().call:
                listed = self._offer(Selector(), time_ns, minute, is_rest_day)
                tariff = extend_steps(tariff, listed)
            tariff, missing = self._scale(tariff, honoured, time_ns)
            if not missing:
                return tariff
            fallback = fallback or tariff._replace(doubts=(*tariff.doubts, *missing))
        later = self._find_later(time_ns, minute, is_rest_day)
        return later or fallback or self._find_later_list_price(time_ns, minute, is_rest_day)

    def factor_starts_ns(self) -> tuple[int, ...]:
        """Return the instants at which a factor begins or ceases to hold."""
        rows = (row for rows in self.factors.values() for row in rows)
        return tuple(instant for row in rows for instant in row.instants_ns)

    def _offer(
        self, selector: Selector, time_ns: int, minute: int, is_rest_day: bool
    ) -> Tariff | None:
        found = (offer[selector].value_on(time_ns, minute, is_rest_day) for offer in self.offers)
        own: Tariff | None = None
        for tariff in found:
            if tariff is None:
                continue
            if own is not None and _is_default(tariff.rates[0]):
                break
            own = tariff if own is None else complete_tariff(own, tariff)
            if tariff.rates[0].source != "user":
                return own
        return None if own is None or is_fragment(own) else own

    def _scale(
        self, tariff: Tariff, honoured: Selector, time_ns: int
    ) -> tuple[Tariff, tuple[str, ...]]:
        """Apply the factors of what `honoured` lacks; return what remains without a price."""
        for name in honoured.missing(self.wanted):
            factor = next((row for row in self.factors.get(name, ()) if row.holds(time_ns)), None)
            if factor is not None:
                tariff = apply_factor(tariff, factor)
                honoured = honoured._replace(**{name: getattr(self.wanted, name)})
        return tariff, honoured.describe_missing(self.wanted)

    def _find_later(self, time_ns: int, minute: int, is_rest_day: bool) -> Tariff | None:
        """Find the first later row of the context: its date may be when it was first read."""
        for offer in self.offers:
            timeline = offer[self.wanted]
            tariff = _first_later(timeline, time_ns, minute, is_rest_day)
            if tariff is not None:
                listed = self._offer(Selector(), time_ns, minute, is_rest_day)
                tariff = extend_steps(tariff, listed)
                return _doubt_date(tariff, str(self.wanted) or "list")
        return None

    def _find_later_list_price(self, time_ns: int, minute: int, is_rest_day: bool) -> Tariff | None:
        """Find the first later list price, scaled to the context: nothing is known of the time."""
        for offer in self.offers:
            tariff = _first_later(offer[Selector()], time_ns, minute, is_rest_day)
            if tariff is not None:
                tariff, missing = self._scale(tariff, Selector(), time_ns)
                doubted = _doubt_date(tariff, "list")
                return doubted._replace(doubts=(*doubted.doubts, *missing))
        return None


def _first_later(
    timeline: Timeline[Tariff | None], time_ns: int, minute: int, is_rest_day: bool
) -> Tariff | None:
    for start_ns in timeline.starts_ns:
        if start_ns > time_ns:
            tariff = timeline.value_on(start_ns, minute, is_rest_day)
            if tariff is not None and not is_fragment(tariff):
                return tariff
    return None


def _doubt_date(tariff: Tariff, what: str) -> Tariff:
    since = tariff.rates[0].effective_from[:10]
    return tariff._replace(doubts=(*tariff.doubts, f"{what} price of {since}, the earliest known"))


def _offers(
    sources: Sequence[PriceSource], provider: str, models: tuple[str, ...], wanted: Selector
) -> tuple[Offers, ...]:
    """Ask every source for each context the call may be priced by, under the best known name."""
    selectors = tuple(wanted.weaker())
    offers = []
    for source in sources:
        for model in models:
            offer = {
                selector: timeline
                for selector in selectors
                if (timeline := source.find(provider, model, selector)) is not None
            }
            if offer:
                if model != models[0]:
                    change = partial(_second_choice, models[0], model)
                    offer = {selector: line.map(change) for selector, line in offer.items()}
                offers.append(offer)
                break
    return tuple(offers)


def _resolve_elsewhere(
    sources: Sequence[PriceSource],
    request: PriceRequest,
    provider: str,
    models: tuple[str, ...],
    factors: Factors | None,
) -> Found | Unpriced | None:
    """Find the price of a model at another provider, where no known host says who was called."""
    seller, what = find_named_seller(provider, models), "priced at the list its name says"
    if seller is None and request.server_address is not None:
        seller, what = find_maker(provider, models), "priced at the list of its maker"
    elif seller is None:
        seller = find_only_seller(sources, provider, models)
        what = "priced at the only list that has it"
    if seller is None:
        return None
    found = resolve(sources, request._replace(provider=seller), factors)
    doubt = f"no price for {models[0]} of {provider}, {what}: {seller}"
    return found if isinstance(found, Unpriced) else found.map(partial(_add_doubt, doubt))


def _add_doubt(doubt: str, tariff: Tariff | Unpriced) -> Tariff | Unpriced:
    doubted = isinstance(tariff, Tariff) and tariff._replace(doubts=(*tariff.doubts, doubt))
    return doubted or tariff


def _is_listed(tariff: Tariff) -> bool:
    """Return True if a price is one of a list, and no row of the user."""
    return tariff.rates[0].source in {"catalogue", "spantoll", "litellm"}


def _second_choice(first: str, model: str, tariff: Tariff | None) -> Tariff | None:
    """Doubt a list price found under the other name; a user's own row was meant."""
    if tariff is None or not _is_listed(tariff):
        return tariff
    return tariff._replace(doubts=(*tariff.doubts, f"no price for {first}, priced as {model}"))


def _unpriced(sources: Sequence[PriceSource], provider: str, model: str) -> Unpriced:
    if not any(source.knows(provider) for source in sources):
        detail = f"no price list for {provider}: give ({provider}, {model}) a price row"
        return Unpriced("unknown_provider", detail)
    return Unpriced(
        "unknown_model", explain_opaque_name(provider, model) or _no_price(provider, model)
    )


def _no_price(provider: str, model: str) -> str:
    return f"no price for {model} of {provider}: give ({provider}, {model}) a price row"


def _candidates(request: PriceRequest) -> tuple[str, ...]:
    names = (request.response_model, request.request_model)
    if aliases.PROVIDERS.get(request.provider or "") == "aws":
        # Bedrock's answer mostly names the bare model; the request has the region or `global.`.
        names = (request.request_model, request.response_model)
        if _is_short(names[0]) and not _is_short(names[1]):
            names = (names[1], names[0])
        if (request.endpoint_scope or "").lower() == "global":
            names = (_in_global_profile(names[0]), _in_global_profile(names[1]))
    return tuple(dict.fromkeys(name for name in names if name))


def _is_short(name: str | None) -> bool:
    """Return True if a name on Bedrock is less than an id: `claude-sonnet-4-5`, or none at all."""
    if not name:
        return True
    return not is_bedrock_id(name) and not is_bedrock_id(name.rpartition("/")[2])


def _in_global_profile(name: str | None) -> str | None:
    """Name the global inference profile of a bare Bedrock id."""
    if not name or is_bedrock_profile(name) or not is_bedrock_id(name):
        return name
    return f"global.{name}"


def _provider(provider: str | None, models: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """Take the provider as named, or from the model's name: its prefix, or its only maker."""
    if provider and provider not in aliases.GATEWAYS:
        return provider, ()
    for model in models:
        prefix, _ = split_provider(model)
        if prefix is not None:
            # A gateway's prefix is its own spelling of the provider; anybody else's is a guess.
            doubts = () if provider else (f"provider {prefix} taken from the model's name",)
            return prefix, doubts
    for model in models:
        if is_bedrock_id(model):
            return "aws.bedrock", ("provider not named, the model's name is Bedrock's",)
        for stem, maker in aliases.MAKERS:
            if model.lower().startswith(stem):
                return maker, (f"provider not named, priced at the list of {maker}",)
    return None, ()


def _selector(request: PriceRequest, provider: str) -> tuple[Selector, tuple[str, ...]]:
    """Read how the call was served; what was only asked for is a doubt."""
    doubts: list[str] = []
    tier = (request.service_tier or "auto").lower()
    if tier == "auto" and request.service_tier_requested:
        tier = request.service_tier_requested.lower()
        if tier not in aliases.ORDINARY_TIERS:
            doubts.append(f"service tier {tier} was asked for and is not confirmed")
    tier = aliases.TIERS.get(tier, tier)
    speed = (request.speed or "").lower()
    if not speed and (request.speed_requested or "").lower() not in _ORDINARY_SPEEDS:
        speed = (request.speed_requested or "").lower()
        doubts.append(f"speed {speed} was asked for and is not confirmed")
    deployment, is_batch = _deployment(request.deployment_type)
    whereabouts = Whereabouts(
        request.region or "",
        request.server_address or "",
        request.data_residency or "",
        request.endpoint_scope or "",
    )
    selector = Selector(
        batch=request.batch or tier == "batch" or is_batch,
        service_tier="" if tier == "batch" or tier in aliases.ORDINARY_TIERS else tier,
        speed="" if speed in _ORDINARY_SPEEDS else speed,
        place=place_of_call(provider, whereabouts),
        deployment=deployment,
    )
    return selector, tuple(doubts)


def _deployment(deployment_type: str | None) -> tuple[str, bool]:
    """Read an Azure deployment type: the part that changes the price, and whether it is a batch.

    https://learn.microsoft.com/azure/ai-foundry/foundry-models/concepts/deployment-types
    """
    name = re.sub(r"[\s_-]", "", deployment_type or "").lower()
    is_batch = name.endswith("batch")
    for stem, deployment in aliases.DEPLOYMENTS:
        if stem in name:
            return deployment, is_batch
    return "", is_batch
