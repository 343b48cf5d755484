from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import partial
from threading import Lock
from typing import NamedTuple

from spantoll.pricing import aliases
from spantoll.pricing.arithmetic import (
    Row,
    compile_row,
    line_nano,
    nano_usd,
)
from spantoll.pricing.bill import Bill, has_usage, make_bill
from spantoll.pricing.names import opaque, split_provider
from spantoll.pricing.result import CostLine, Priced, PriceSet, PricingStatus, Rate, Unpriced
from spantoll.pricing.selector import Selector
from spantoll.pricing.tariff import PriceSource, Tariff
from spantoll.pricing.timeline import Timeline, tabulate
from spantoll.semconv.call import ModelCall, ReportedCost

__all__ = ["RateCard"]

_LEDGER_MAX_NANO = 2**63 - 1
_MAX_KEYS = 8192
_MAX_KEY_LENGTH = 1024
"""Names come from strangers: the cache holds a bounded number of bounded keys."""

_ORDINARY_SPEEDS = frozenset({"", "standard", "normal"})
_BILLED_BY = frozenset({"provider", "gateway"})
"""Whose reported cost is the bill. An instrumentation's is its own guess and stays a hint."""

_FAILED = Priced("free", 0, 0, 0, 0, 0, "none", None, "failed_call")
_CACHE_HIT = Priced("free", 0, 0, 0, 0, 0, "none", None, "cache_hit")
_NO_USAGE = Unpriced("no_usage", "the span carries no usage")
_OUT_OF_RANGE = Unpriced("out_of_range", "the cost does not fit a ledger of 64-bit nano-USD")

_Key = tuple[
    str | None, str | None, str | None, str | None, str | None, str | None, bool, str | None
]


class _Compiled(NamedTuple):
    """A tariff ready for arithmetic."""

    rows: tuple[Row, ...]
    steps: tuple[int, ...]
    doubts: tuple[str, ...]


_Answer = _Compiled | Timeline[_Compiled | Unpriced] | Unpriced


class RateCard:
    """Prices calls. Total and pure: every call gets an answer, the same one each time.

    `sources` are asked in order, so a user's rows stand before the catalogue; `price_set` is the
    catalogue's. What a (provider, model, context) costs is compiled once and kept, misses included.
    Safe to use from several threads.
    """

    def __init__(self, sources: Sequence[PriceSource], *, price_set: PriceSet) -> None:
        self.price_set = price_set
        self._sources = tuple(sources)
        self._answers: dict[_Key, _Answer] = {}
        self._lock = Lock()

    def price(self, call: ModelCall) -> Priced | Unpriced:
        """Price a call at the rates in force when it started."""
        if call.cache_hit:
            return _CACHE_HIT
        if call.reported_cost is not None:
            return self._reported(call, call.reported_cost)
        return self._listed(call)

    def lines(self, call: ModelCall, rate: Rate) -> tuple[CostLine, ...]:
        """Give the lines of a call at `rate`; their nano sum is the cost of a call it priced."""
        return tuple(
            CostLine(price.metric, quantity, price.unit, line_nano(price, quantity))
            for price, quantity in make_bill(call, compile_row(rate)).lines
        )

    def unpriced_hint(self, provider: str | None, model: str | None) -> str | None:
        """Say why a model has no price today and what to do about it; None if it has one."""
        answer = self._answer((provider, model, None, None, None, None, False, None))
        return answer.detail if isinstance(answer, Unpriced) else None

    def _reported(self, call: ModelCall, reported: ReportedCost) -> Priced | Unpriced:
        listed = self._listed(call)
        if reported.source not in _BILLED_BY or reported.currency.upper() != "USD":
            return listed
        cost = nano_usd(reported.amount)
        listed_nano = listed.cost_nano if isinstance(listed, Priced) else None
        if cost < 0 or cost > _LEDGER_MAX_NANO:
            return listed
        if cost == 0 and reported.source == "gateway" and listed_nano != 0:
            # Gateways report 0.0 for models they have no price for (BerriAI/litellm#36561).
            return listed
        return Priced(
            "priced", cost, 0, 0, 0, cost, "reported", None, None, catalogue_nano=listed_nano
        )

    def _listed(self, call: ModelCall) -> Priced | Unpriced:
        if call.status == "error" and _was_not_billed(call):
            return _FAILED
        key = (
            call.provider,
            call.response_model,
            call.request_model,
            call.service_tier,
            call.service_tier_requested,
            call.speed,
            call.batch,
            call.deployment_type,
        )
        answer = self._answers.get(key) or self._answer(key)
        if isinstance(answer, Timeline):
            answer = answer.at(call.start_ns)
        if isinstance(answer, Unpriced):
            return answer
        row = answer.rows[0]
        if len(answer.rows) > 1:
            row = answer.rows[bisect_right(answer.steps, _total_input(call)) - 1]
        return _cost(call, row, answer.doubts)

    def _answer(self, key: _Key) -> _Answer:
        with self._lock:
            answer = self._answers.get(key)
            if answer is None:
                answer = self._resolve(key)
                if sum(len(part) for part in key if isinstance(part, str)) <= _MAX_KEY_LENGTH:
                    if len(self._answers) >= _MAX_KEYS:
                        self._answers.pop(next(iter(self._answers)))
                    self._answers[key] = answer
            return answer

    def _resolve(self, key: _Key) -> _Answer:
        provider, response_model, request_model, tier, tier_asked, speed, batch, deployment = key
        selector, doubts = _selector(tier, tier_asked, speed, batch=batch)
        models = _candidates(provider, response_model, request_model)
        if not models:
            return Unpriced("no_model", "the span names no model")
        if provider is None or provider in aliases.GATEWAYS:
            provider, models, doubt = _named_in_model(provider, models)
            if provider is None:
                return Unpriced(
                    "unknown_provider",
                    f"the span names no provider and {models[0]!r} does not tell: have it carry"
                    " gen_ai.provider.name",
                )
            doubts += doubt
        doubts += _deployment_doubts(deployment)
        found = self._find(provider, models, selector)
        if found is None:
            return self._unpriced(provider, models[0])
        timeline = found.map(lambda tariff: _compile(tariff, doubts, provider, models[0]))
        return _constant(timeline)

    def _find(
        self, provider: str, models: tuple[str, ...], selector: Selector
    ) -> Timeline[Tariff | None] | None:
        """Lay the answers of the sources over each other: the first that holds at a time wins."""
        layers = []
        for source in self._sources:
            for model in models:
                layer = source.find(provider, model, selector)
                if layer is None:
                    continue
                if model != models[0]:
                    doubt = f"no price for {models[0]}, priced as {model}"
                    layer = layer.map(partial(_doubted, doubt))
                layers.append(layer)
                break
        if not layers:
            return None
        return tabulate(
            lambda time_ns, minute: next(
                (held for layer in layers if (held := layer.on(time_ns, minute)) is not None), None
            ),
            starts_ns=(start for layer in layers for start in layer.starts_ns),
            minutes=(mark for layer in layers for mark in layer.minutes),
        )

    def _unpriced(self, provider: str, model: str) -> Unpriced:
        if not any(source.knows(provider) for source in self._sources):
            return Unpriced(
                "unknown_provider",
                f"no price list for {provider!r}: give ({provider}, {model}) a price row",
            )
        return Unpriced("unknown_model", opaque(provider, model) or _no_price(provider, model))


def _no_price(provider: str, model: str) -> str:
    return f"no price for model {model!r} of {provider!r}: give ({provider}, {model}) a price row"


def _compile(
    tariff: Tariff | None, doubts: tuple[str, ...], provider: str, model: str
) -> _Compiled | Unpriced:
    if tariff is None:
        return Unpriced("unknown_model", _no_price(provider, model) + " for this date")
    if any(rate.source == "default" for rate in tariff.rates):
        doubts += (f"default price of {provider}",)
    rows = tuple(compile_row(rate) for rate in tariff.rates)
    return _Compiled(rows, tariff.steps, doubts + tariff.doubts)


def _constant(timeline: Timeline[_Compiled | Unpriced]) -> _Answer:
    if len(timeline.starts_ns) == 1 and len(timeline.minutes) == 1:
        return timeline.values[0][0]
    return timeline


def _doubted(doubt: str, tariff: Tariff | None) -> Tariff | None:
    return tariff and tariff._replace(doubts=(*tariff.doubts, doubt))


def _candidates(
    provider: str | None, response_model: str | None, request_model: str | None
) -> tuple[str, ...]:
    """Order the names of the model: who answered decides, save that Bedrock drops the region."""
    names = (response_model, request_model)
    if provider is not None and aliases.PROVIDERS.get(provider) == "aws":
        names = (request_model, response_model)
    return tuple(dict.fromkeys(name for name in names if name))


def _named_in_model(
    gateway: str | None, models: tuple[str, ...]
) -> tuple[str | None, tuple[str, ...], tuple[str, ...]]:
    """Find the provider in the model's name, or the one maker of a closed model."""
    for model in models:
        provider, _ = split_provider(model)
        if provider is not None:
            said = () if gateway else (f"provider {provider} taken from the model's name",)
            return provider, models, said
    for model in models:
        for stem, maker in aliases.MAKERS:
            if model.lower().startswith(stem):
                return maker, models, (f"provider not named, priced at the list of {maker}",)
    return None, models, ()


def _selector(
    tier: str | None, tier_asked: str | None, speed: str | None, *, batch: bool
) -> tuple[Selector, tuple[str, ...]]:
    doubts: tuple[str, ...] = ()
    served = (tier or "auto").lower()
    if served == "auto" and tier_asked is not None:
        served = tier_asked.lower()
        if served not in aliases.ORDINARY_TIERS:
            doubts = (f"service tier {served} was asked for and is not confirmed",)
    served = aliases.TIERS.get(served, served)
    if served == "batch":
        batch, served = True, ""
    if served in aliases.ORDINARY_TIERS:
        served = ""
    pace = (speed or "").lower()
    return Selector(batch, served, "" if pace in _ORDINARY_SPEEDS else pace), doubts


def _deployment_doubts(deployment: str | None) -> tuple[str, ...]:
    if deployment is None or "global" in deployment.lower() or deployment.lower() == "standard":
        return ()
    return (f"no price for {deployment} deployments, list price",)


def _total_input(call: ModelCall) -> int:
    usage = call.usage
    cached = (usage.cache_read_tokens or 0) + (usage.cache_write_tokens or 0)
    return max(usage.input_tokens or 0, cached)


def _was_not_billed(call: ModelCall) -> bool:
    """Tell whether a failed call was refused rather than broken off: providers bill no refusal.

    A stream that had begun, or an answer that has an id, was computed and is billed.
    """
    return not (
        any(call.usage[:14])
        or call.usage.extra
        or call.response_id
        or call.finish_reasons
        or call.time_to_first_chunk_ns is not None
    )


def _cost(call: ModelCall, row: Row, doubts: tuple[str, ...]) -> Priced | Unpriced:
    rate = row.rate
    if row.free:
        return Priced("free", 0, 0, 0, 0, 0, rate.source, rate, "; ".join(doubts) or None)
    bill = make_bill(call, row)
    if not bill.lines:
        if bill.unpriced:
            units = ", ".join(bill.unpriced)
            return Unpriced(
                "no_price_for_units", f"{rate.provider}/{rate.model} has no price for {units}"
            )
        if not has_usage(call.usage):
            return _NO_USAGE
    shares = [0, 0, 0, 0]
    for price, quantity in bill.lines:
        shares[price.share] += line_nano(price, quantity)
    cost = sum(shares)
    if cost > _LEDGER_MAX_NANO:
        return _OUT_OF_RANGE
    status, reason = _standing(call, bill, doubts)
    of_input, of_output, of_cache, other = shares
    return Priced(status, cost, of_input, of_output, of_cache, other, rate.source, rate, reason)


def _standing(
    call: ModelCall, bill: Bill, doubts: tuple[str, ...]
) -> tuple[PricingStatus, str | None]:
    gaps = []
    if bill.unpriced:
        gaps.append(f"no price for {', '.join(bill.unpriced)}")
    if bill.unreported:
        gaps.append(f"{', '.join(bill.unreported)} not reported")
    quality = call.usage_quality
    if quality == "partial":
        gaps.append("stream broken off")
    doubts = (*doubts, *bill.doubts)
    if quality == "estimated":
        doubts += ("counters estimated by the emitter",)
    elif quality == "inconsistent" and not bill.doubts:
        doubts += ("contradictory counters",)
    reasons = dict.fromkeys((*gaps, *doubts, *bill.notes))
    status: PricingStatus = "partial" if gaps else "estimated" if doubts else "priced"
    return status, "; ".join(reasons) or None
