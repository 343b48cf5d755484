"""A user's aliases: what stands behind the names of deployments, profiles, gateways and houses.

Input: rows `provider, model -> to_provider, to_model, region`, and what a call reports. Output: the
call as its prices are looked up. One alias is followed, never a chain of them. The most specific
row holds, as for prices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from spantoll.pricing.factors import Factors
from spantoll.pricing.own_names import rank_model, rank_provider, read_model, read_provider
from spantoll.pricing.own_text import read_day, read_name, read_text
from spantoll.pricing.resolve import Found, PriceRequest, resolve
from spantoll.pricing.result import Unpriced
from spantoll.pricing.shipped import PriceDataError
from spantoll.pricing.table import ANY
from spantoll.pricing.tariff import PriceSource, Tariff
from spantoll.pricing.timeline import Timeline, tabulate
from spantoll.pricing.validity import end_ns, start_ns

__all__ = [
    "ALIAS_FIELDS",
    "ModelAlias",
    "apply_aliases",
    "read_model_alias",
    "resolve_with_aliases",
    "write_model_alias",
]

ALIAS_FIELDS = (
    *("provider", "model", "to_provider", "to_model"),
    *("region", "valid_from", "valid_to", "note"),
)


class ModelAlias(NamedTuple):
    """Calls of `provider` and `model` are priced as `to_model` of `to_provider` in `region`."""

    provider: str
    """Who is called, as for prices; `*` also where a gateway or framework hides it."""
    model: str
    """A deployment, an ARN, a house name; or `prefix:`, `pattern:`, as for prices."""
    to_provider: str
    """Empty: the call's own."""
    to_model: str
    region: str = ""
    """Empty: what the call reports."""
    valid_from: str = ""
    valid_to: str = ""
    note: str = ""
    position: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What it is about: two aliases of one key may not hold at one time."""
        return self.provider, self.model

    @property
    def name(self) -> str:
        """What it is about, for messages."""
        return f"name the model of {self.provider}/{self.model}"


def read_model_alias(record: Mapping[str, Any], position: str) -> ModelAlias:
    """Read and check one row; columns that are absent are empty. Raises PriceDataError."""
    if unknown := {name for name in record if name} - {*ALIAS_FIELDS}:
        raise PriceDataError(
            f"{position}: unknown column {min(unknown)!r}; one of {', '.join(ALIAS_FIELDS)}"
        )
    alias = ModelAlias(
        read_provider(record.get("provider"), position),
        read_model(record.get("model"), position),
        read_provider(record["to_provider"], position) if record.get("to_provider") else "",
        read_name(record.get("to_model"), "to_model", position, limit=191),
        read_text(record.get("region"))[:64].lower(),
        read_day(record.get("valid_from"), position),
        read_day(record.get("valid_to"), position),
        read_text(record.get("note"))[:254],
        position,
    )
    if alias.model == ANY:
        raise PriceDataError(f"{position}: an alias of every model would hide all prices")
    if alias.to_provider == ANY or "*" in alias.to_model:
        raise PriceDataError(f"{position}: an alias names one model of one provider")
    if alias.valid_from and end_ns(alias.valid_to) <= start_ns(alias.valid_from):
        raise PriceDataError(f"{position}: valid_to must be after valid_from")
    return alias


def write_model_alias(alias: ModelAlias) -> dict[str, str]:
    """Write a row as `read_model_alias` reads it."""
    return {name: getattr(alias, name) for name in ALIAS_FIELDS}


def apply_aliases(aliases: Iterable[ModelAlias], request: PriceRequest) -> PriceRequest:
    """Replace the names of a call by what stands behind them.

    Provider and region are those of the alias of the response's model, or else of the request's.
    """
    rows = tuple(aliases)
    provider = request.provider
    answered = _find_alias(rows, provider, request.response_model)
    asked = _find_alias(rows, provider, request.request_model)
    found = answered or asked
    if found is None:
        return request
    return request._replace(
        provider=found.to_provider or provider,
        response_model=answered.to_model if answered else request.response_model,
        request_model=asked.to_model if asked else request.request_model,
        region=found.region or request.region,
    )


def resolve_with_aliases(
    sources: Sequence[PriceSource],
    request: PriceRequest,
    factors: Factors | None,
    aliases: Sequence[ModelAlias],
) -> Found | Unpriced:
    """Find the price of a call under the names its aliases give it, each while it holds."""
    matched = [alias for alias in aliases if _matches(alias, request)]
    if not matched:
        return resolve(sources, request, factors)
    resolved = cache(lambda named: resolve(sources, named, factors))

    def find_at(time_ns: int) -> Found | Unpriced:
        held = (a for a in matched if start_ns(a.valid_from) <= time_ns < end_ns(a.valid_to))
        return resolved(apply_aliases(held, request))

    changes = {start_ns(alias.valid_from) for alias in matched}
    changes |= {end_ns(alias.valid_to) for alias in matched if alias.valid_to}
    answers = [find_at(time_ns) for time_ns in (start_ns(""), *changes)]
    if all(answer is answers[0] for answer in answers):
        return answers[0]
    timelines = [answer for answer in answers if isinstance(answer, Timeline)]

    def on(time_ns: int, minute: int, is_rest_day: bool) -> Tariff | Unpriced:
        answer = find_at(time_ns)
        if isinstance(answer, Unpriced):
            return answer
        return answer.value_on(time_ns, minute, is_rest_day)

    return tabulate(
        on,
        starts_ns=(*changes, *(start for line in timelines for start in line.starts_ns)),
        minutes=(mark for line in timelines for mark in line.minutes),
        calendar=next((line.calendar for line in timelines if line.calendar), ""),
    )


def _matches(alias: ModelAlias, request: PriceRequest) -> bool:
    names = (request.response_model, request.request_model)
    return any(_rank(alias, request.provider, name) is not None for name in names)


def _find_alias(
    aliases: Iterable[ModelAlias], provider: str | None, model: str | None
) -> ModelAlias | None:
    ranked = [
        (rank, alias) for alias in aliases if (rank := _rank(alias, provider, model)) is not None
    ]
    return max(ranked, key=lambda pair: pair[0])[1] if ranked else None


def _rank(
    alias: ModelAlias, provider: str | None, model: str | None
) -> tuple[int, int, int] | None:
    if model is None:
        return None
    of_provider = rank_provider(alias.provider, provider)
    of_model = rank_model(alias.model, model.strip().lower())
    if of_provider is None or of_model is None:
        return None
    return (*of_model, of_provider)
