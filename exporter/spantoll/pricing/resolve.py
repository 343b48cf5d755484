from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from spantoll.pricing import aliases
from spantoll.pricing.elsewhere import find_only_seller
from spantoll.pricing.names import is_bedrock_id, opaque, split_provider
from spantoll.pricing.result import Unpriced
from spantoll.pricing.selector import Selector
from spantoll.pricing.tariff import PriceSource, Tariff
from spantoll.pricing.timeline import Timeline, tabulate

__all__ = ["Asked", "Found", "resolve"]

_DEFAULT = "default price, the model has none of its own"
_ORDINARY_SPEEDS = frozenset({"", "standard", "normal"})


class Asked(NamedTuple):
    """Everything of a call that its prices depend on, but for its size and time."""

    provider: str | None
    response_model: str | None
    request_model: str | None
    service_tier: str | None = None
    service_tier_requested: str | None = None
    speed: str | None = None
    batch: bool = False
    deployment_type: str | None = None
    server_address: str | None = None


Found = Timeline[Tariff | Unpriced]


def resolve(sources: Sequence[PriceSource], asked: Asked) -> Found | Unpriced:
    """Find what a call is priced at, from each moment on, or say why nothing is known.

    Who answered decides: the response's model stands before the request's.
    """
    models = _candidates(asked)
    if not models:
        return Unpriced("no_model", "the span names no model")
    provider, doubts = _provider(asked.provider, models)
    if provider is None:
        return Unpriced(
            "unknown_provider",
            f"the span names no provider and {models[0]} does not tell: have it carry"
            " gen_ai.provider.name",
        )
    selector, doubt = _selector(asked)
    layers = _layers(sources, provider, models, selector)
    if not layers:
        elsewhere = _resolve_elsewhere(sources, asked, provider, models)
        return elsewhere or _unpriced(sources, provider, models[0])
    doubts += doubt + _deployment_doubts(asked.deployment_type)
    gap = Unpriced("unknown_model", _no_price(provider, models[0]) + " for this date")

    def on(time_ns: int, minute: int) -> Tariff | Unpriced:
        """The first source that has a price for this moment wins."""
        for layer in layers:
            tariff = layer.on(time_ns, minute)
            if tariff is not None:
                default = (_DEFAULT,) if tariff.rates[0].source == "default" else ()
                return tariff._replace(doubts=doubts + default + tariff.doubts)
        return gap

    return tabulate(
        on,
        starts_ns=(start for layer in layers for start in layer.starts_ns),
        minutes=(mark for layer in layers for mark in layer.minutes),
    )


def _layers(
    sources: Sequence[PriceSource], provider: str, models: tuple[str, ...], selector: Selector
) -> list[Timeline[Tariff | None]]:
    layers = []
    for source in sources:
        for model in models:
            layer = source.find(provider, model, selector)
            if layer is not None:
                if model != models[0]:
                    layer = layer.map(partial(_second_choice, models[0], model))
                layers.append(layer)
                break
    return layers


def _resolve_elsewhere(
    sources: Sequence[PriceSource], asked: Asked, provider: str, models: tuple[str, ...]
) -> Found | None:
    """Find the price at the only provider that has the model, where no host says who was called."""
    seller = find_only_seller(sources, provider, models) if asked.server_address is None else None
    if seller is None:
        return None
    found = resolve(sources, asked._replace(provider=seller))
    if isinstance(found, Unpriced):
        return None
    doubt = f"no price for {models[0]} of {provider}, priced at the only list that has it: {seller}"
    return found.map(partial(_add_doubt, doubt))


def _add_doubt(doubt: str, tariff: Tariff | Unpriced) -> Tariff | Unpriced:
    if isinstance(tariff, Unpriced):
        return tariff
    return tariff._replace(doubts=(*tariff.doubts, doubt))


def _second_choice(first: str, model: str, tariff: Tariff | None) -> Tariff | None:
    """Doubt a catalogue price found under the other name; a user's own row was meant."""
    if tariff is None or tariff.rates[0].source != "catalogue":
        return tariff
    return tariff._replace(doubts=(*tariff.doubts, f"no price for {first}, priced as {model}"))


def _unpriced(sources: Sequence[PriceSource], provider: str, model: str) -> Unpriced:
    if not any(source.knows(provider) for source in sources):
        detail = f"no price list for {provider}: give ({provider}, {model}) a price row"
        return Unpriced("unknown_provider", detail)
    return Unpriced("unknown_model", opaque(provider, model) or _no_price(provider, model))


def _no_price(provider: str, model: str) -> str:
    return f"no price for {model} of {provider}: give ({provider}, {model}) a price row"


def _candidates(asked: Asked) -> tuple[str, ...]:
    names = (asked.response_model, asked.request_model)
    if aliases.PROVIDERS.get(asked.provider or "") == "aws":
        # Bedrock's answer names the bare model; only the request has the region or `global.`.
        names = (asked.request_model, asked.response_model)
    return tuple(dict.fromkeys(name for name in names if name))


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


def _selector(asked: Asked) -> tuple[Selector, tuple[str, ...]]:
    """Read how the call was served; the tier that was only asked for is a doubt."""
    doubts: tuple[str, ...] = ()
    tier = (asked.service_tier or "auto").lower()
    if tier == "auto" and asked.service_tier_requested:
        tier = asked.service_tier_requested.lower()
        if tier not in aliases.ORDINARY_TIERS:
            doubts = (f"service tier {tier} was asked for and is not confirmed",)
    tier = aliases.TIERS.get(tier, tier)
    speed = (asked.speed or "").lower()
    return (
        Selector(
            batch=asked.batch or tier == "batch",
            service_tier="" if tier == "batch" or tier in aliases.ORDINARY_TIERS else tier,
            speed="" if speed in _ORDINARY_SPEEDS else speed,
        ),
        doubts,
    )


def _deployment_doubts(deployment_type: str | None) -> tuple[str, ...]:
    if not deployment_type or "global" in deployment_type.lower():
        return ()
    return (f"no price for {deployment_type} deployments, list price",)
