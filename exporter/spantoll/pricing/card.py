"""The rate card: prices calls, and keeps what it has looked up.

Input: a `ModelCall`. Output: `Priced` or `Unpriced`, the same answer each time. The provider's or
gateway's own figure is billed where there is one (rule R9); the list price is kept beside it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from operator import itemgetter
from threading import Lock
from typing import Any, NamedTuple

from spantoll.pricing.arithmetic import LEDGER_MAX_NANO, Row, compile_row, line_nano, nano_usd
from spantoll.pricing.bill import make_bill
from spantoll.pricing.cost import compute_cost
from spantoll.pricing.factors import Factors
from spantoll.pricing.lists import PriceLists
from spantoll.pricing.model_aliases import ModelAlias, resolve_with_aliases
from spantoll.pricing.resolve import Found, PriceRequest
from spantoll.pricing.result import CostLine, Priced, PriceSet, Rate, Unpriced
from spantoll.pricing.tariff import PriceSource, Tariff
from spantoll.pricing.timeline import Timeline
from spantoll.semconv.call import ModelCall, ReportedCost

__all__ = ["RateCard"]

_MAX_ANSWERS = 8192
_MAX_NAMES_LENGTH = 1024
"""Names come from strangers: the cache holds a bounded number of bounded keys."""

_BILLED_BY = frozenset({"provider", "gateway"})
"""Whose reported cost is the bill. An instrumentation's is its own guess and stays a hint."""

_FAILED = Priced("free", 0, 0, 0, 0, 0, "none", None, "failed_call")
_CACHE_HIT = Priced("free", 0, 0, 0, 0, 0, "none", None, "cache_hit")

_Key = tuple[Any, ...]
"""The fields of `PriceRequest`, `thinking` only where it is True: a plain tuple is made faster."""

_request_fields: Callable[[ModelCall], _Key] = itemgetter(
    *(ModelCall._fields.index(name) for name in PriceRequest._fields if name != "thinking")
)


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

    def __init__(
        self,
        sources: Sequence[PriceSource],
        *,
        price_set: PriceSet,
        factors: Factors | None = None,
        aliases: Sequence[ModelAlias] = (),
    ) -> None:
        self.price_set = price_set
        self._aliases = tuple(aliases)
        self._factors = factors
        self._sources = tuple(sources)
        self._answers: dict[_Key, _Answer] = {}
        self._lock = Lock()
        self.revision = 0
        """How often other prices were adopted."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the prices, for another process; not what was looked up."""
        with self._lock:
            prices = (self._sources, self.price_set, self._factors, self._aliases)
        return _make_card, prices

    @property
    def fingerprint(self) -> str:
        """Identify the prices of all sources, the factors and the aliases together: a sha256."""
        sets = [source.price_set.sha256 for source in self.list_sources()]
        aliases = [repr(alias._replace(position="")) for alias in self._aliases]
        rows = self._factors.rows if self._factors is not None else ()
        factors = [f"{row._replace(metrics=frozenset())}{sorted(row.metrics)}" for row in rows]
        return sha256("\n".join([*sets, *sorted(aliases), *factors]).encode()).hexdigest()

    def list_sources(self) -> Iterator[PriceSource]:
        """List the sources in order of precedence, each list of merged ones (docs/prices.md)."""
        for source in self._sources:
            yield from source.sources if isinstance(source, PriceLists) else (source,)

    def adopt(self, other: RateCard) -> None:
        """Take over the prices of another card; calls priced from now on use them."""
        with self._lock:
            self.price_set = other.price_set
            self._factors = other._factors
            self._aliases = other._aliases
            self._sources = other._sources
            self._answers = {}
            self.revision += 1

    def price(self, call: ModelCall) -> Priced | Unpriced:
        """Price a call at the rates in force when it started."""
        if call.cache_hit:
            return _CACHE_HIT
        if call.reported_cost is not None:
            return self._reported(call, call.reported_cost)
        return self._listed(call)

    def lines(self, call: ModelCall, rate: Rate) -> tuple[CostLine, ...]:
        """Return the lines of a call at `rate`; their sum is the cost of a call it priced."""
        return tuple(
            CostLine(price.metric, quantity, price.unit, line_nano(price, quantity))
            for price, quantity in make_bill(call, compile_row(rate)).lines
        )

    def find_rate(self, provider: str, model: str, time_ns: int) -> Rate | None:
        """Find the list price of a model at a time; None if it has none."""
        found = self._resolve(PriceRequest(provider, model, None))
        tariff = found if isinstance(found, Unpriced) else found.value_at(time_ns)
        return None if isinstance(tariff, Unpriced) else tariff.rates[0]

    def find_rates(self, provider: str, model: str) -> tuple[Rate, ...] | Unpriced:
        """Find all rows a model has had at its list price, oldest first, each long-context step."""
        found = self._resolve(PriceRequest(provider, model, None))
        if isinstance(found, Unpriced):
            return found
        tariffs = (value for parts in found.values for value in parts)
        rates = (rate for t in tariffs if not isinstance(t, Unpriced) for rate in t.rates)
        return tuple(dict.fromkeys(rates))

    def unpriced_hint(self, provider: str | None, model: str | None) -> str | None:
        """Explain why a model has no price and what to do about it; None if it has one."""
        answer = self._answer(PriceRequest(provider, model, None))
        return answer.detail if isinstance(answer, Unpriced) else None

    def _reported(self, call: ModelCall, reported: ReportedCost) -> Priced | Unpriced:
        listed = self._listed(call)
        if reported.source not in _BILLED_BY or reported.currency.upper() != "USD":
            return listed
        nano = nano_usd(reported.amount)
        if nano is None or not 0 <= nano <= LEDGER_MAX_NANO:
            return listed
        if nano == 0 and reported.source == "gateway":
            # Gateways report 0.0 for models they have no price for (BerriAI/litellm#36561).
            return listed
        listed_nano = listed.cost_nano if isinstance(listed, Priced) else None
        return Priced("priced", nano, 0, 0, 0, nano, "reported", None, None, listed_nano)

    def _listed(self, call: ModelCall) -> Priced | Unpriced:
        if call.status == "error" and _was_not_billed(call):
            return _FAILED
        key = _request_fields(call)
        if call.usage.reasoning_tokens:
            key = (*key, True)
        answer = self._answers.get(key) or self._answer(key)
        if isinstance(answer, Timeline):
            answer = answer.value_at(call.start_ns)
        if isinstance(answer, Unpriced):
            return answer
        row = answer.rows[0]
        if len(answer.rows) > 1:
            row = answer.rows[bisect_right(answer.steps, _total_input(call)) - 1]
        return compute_cost(call, row, answer.doubts)

    def _resolve(self, request: PriceRequest) -> Found | Unpriced:
        return resolve_with_aliases(self._sources, request, self._factors, self._aliases)

    def _answer(self, key: _Key) -> _Answer:
        with self._lock:
            answer = self._answers.get(key)
            if answer is None:
                answer = _compiled(self._resolve(PriceRequest(*key)))
                if sum(len(name) for name in key if isinstance(name, str)) <= _MAX_NAMES_LENGTH:
                    if len(self._answers) >= _MAX_ANSWERS:
                        self._answers.pop(next(iter(self._answers)))
                    self._answers[key] = answer
            return answer


def _make_card(
    sources: Sequence[PriceSource],
    price_set: PriceSet,
    factors: Factors | None,
    aliases: Sequence[ModelAlias],
) -> RateCard:
    return RateCard(sources, price_set=price_set, factors=factors, aliases=aliases)


def _compiled(found: Timeline[Tariff | Unpriced] | Unpriced) -> _Answer:
    if isinstance(found, Unpriced):
        return found
    timeline = found.map(_compile)
    if timeline.is_constant:
        return timeline.values[0][0]
    return timeline


def _compile(tariff: Tariff | Unpriced) -> _Compiled | Unpriced:
    if isinstance(tariff, Unpriced):
        return tariff
    return _Compiled(tuple(map(compile_row, tariff.rates)), tariff.steps, tariff.doubts)


def _total_input(call: ModelCall) -> int:
    usage = call.usage
    cached = (usage.cache_read_tokens or 0) + (usage.cache_write_tokens or 0)
    return max(usage.input_tokens or 0, cached)


def _was_not_billed(call: ModelCall) -> bool:
    """Return True if a failed call was refused: providers bill no refusal.

    A stream that had begun, or a response that has an id, was computed and is billed.
    """
    return not (
        any(call.usage[:14])
        or call.usage.extra
        or call.response_id
        or call.finish_reasons
        or call.time_to_first_chunk_ns is not None
    )
