"""The price list of the installed genai-prices package, as a source of tariffs.

Input: (provider, model, context). Output: its prices over time, read through the package's own
resolver. Names match exactly, or at a version boundary if the name is known to exist.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from spantoll.pricing import aliases
from spantoll.pricing.clauses import compile_matcher, literal_of_clause, split_alternatives
from spantoll.pricing.documents import PriceDocument, read_providers
from spantoll.pricing.names import known_name, list_spellings
from spantoll.pricing.result import PriceSet, UnitPrice
from spantoll.pricing.selector import Selector
from spantoll.pricing.shipped import load_known_models
from spantoll.pricing.tariff import Tariff, make_rate
from spantoll.pricing.timeline import Timeline, instant_ns, tabulate

if TYPE_CHECKING:
    from genai_prices import types as genai

__all__ = ["METRICS", "GenaiPrices"]

METRICS: Mapping[str, tuple[str, int]] = MappingProxyType(
    {
        "input_mtok": ("input", 1_000_000),
        "cache_read_mtok": ("cache_read", 1_000_000),
        "cache_write_mtok": ("cache_write", 1_000_000),
        "cache_write_1h_mtok": ("cache_write_1h", 1_000_000),
        "input_audio_mtok": ("input_audio", 1_000_000),
        "input_image_mtok": ("input_image", 1_000_000),
        "input_video_mtok": ("input_video", 1_000_000),
        "cache_audio_read_mtok": ("cache_read_audio", 1_000_000),
        "cache_image_read_mtok": ("cache_read_image", 1_000_000),
        "output_mtok": ("output", 1_000_000),
        "output_reasoning_mtok": ("reasoning", 1_000_000),
        "output_citation_mtok": ("citation", 1_000_000),
        "output_audio_mtok": ("output_audio", 1_000_000),
        "output_image_mtok": ("output_image", 1_000_000),
        "output_video_mtok": ("output_video", 1_000_000),
        "audio_hours": ("audio_ms", 3_600_000),
        "input_audio_hours": ("input_audio_ms", 3_600_000),
        "input_mchars": ("characters", 1_000_000),
        "input_text_messages_kcount": ("messages", 1_000),
        "input_document_kpages": ("pages", 1_000),
        "input_annotated_document_kpages": ("annotated_pages", 1_000),
        "rerank_searches_kcount": ("search_units", 1_000),
        "web_searches_kcount": ("web_searches", 1_000),
        "social_searches_kcount": ("social_searches", 1_000),
        "storage_searches_kcount": ("file_searches", 1_000),
        "code_executions_kcount": ("code_executions", 1_000),
        "requests_kcount": ("requests", 1_000),
    }
)
"""The catalogue's price keys: our metric and how many of its units one price is for."""

_ROUTER = "huggingface"
_BEFORE_HISTORY = datetime(2000, 1, 1, tzinfo=UTC)


class _Clause(NamedTuple):
    position: int
    matches: Callable[[str], bool]


class _PriceList:
    """One provider's models, looked up by the names they are sent with."""

    def __init__(self, provider: genai.Provider) -> None:
        self.provider = provider
        self.named = set(load_known_models())
        self.exact: dict[str, int] = {}
        self.loose: list[_Clause] = []
        for position, model in enumerate(provider.models):
            self.exact.setdefault(model.id.lower(), position)
            for clause in split_alternatives(model.match):
                name = getattr(clause, "equals", None)
                if name is not None:
                    name = name.lower()
                    self.exact[name] = min(position, self.exact.get(name, position))
                else:
                    self.named.add(literal_of_clause(clause))
                    self.loose.append(_Clause(position, compile_matcher(clause)))

    def find(self, name: str) -> genai.ModelInfo | None:
        """Find the first model, in the catalogue's order, that claims `name`.

        A clause that matches more than one name prices only those that are known to exist: a
        made-up snapshot would cost what the model costs without it.
        """
        models = self.provider.models
        name = aliases.MODELS.get((self.provider.id, name), name)
        best = self.exact.get(name, len(models))
        loose = self.loose if known_name(name) in self.named else ()
        for clause in loose:
            if clause.position >= best:
                break
            if clause.matches(name):
                best = clause.position
        return models[best] if best < len(models) else None


class GenaiPrices:
    """The price list of the installed genai-prices package.

    Model names are matched at version boundaries only, and prices are read through the package's
    own resolver, so that what both can price, both price the same.
    """

    def __init__(self, providers: list[genai.Provider], price_set: PriceSet) -> None:
        self.price_set = price_set
        self._providers = {provider.id: provider for provider in providers}
        self._lists: dict[str, _PriceList] = {}

    def __reduce__(self) -> tuple[type[GenaiPrices], tuple[list[genai.Provider], PriceSet]]:
        """Pickle the prices without the compiled clauses, which are made again where needed."""
        return GenaiPrices, (list(self._providers.values()), self.price_set)

    @classmethod
    def installed(cls, *, today: str | None = None) -> GenaiPrices:
        """Read the installed package; takes about 0.4 s the first time in a process."""
        from genai_prices import __version__
        from genai_prices.data import providers

        content = resources.files("genai_prices").joinpath("data.py").read_bytes()
        today = today or datetime.now(UTC).date().isoformat()
        changes = (start for p in providers for m in p.models for start in _start_dates(m, {}))
        price_set = PriceSet(
            source="genai-prices",
            version=__version__,
            sha256=sha256(content).hexdigest(),
            rows=sum(len(provider.models) for provider in providers),
            as_of=max((change for change in changes if change <= today), default=""),
        )
        return cls(providers, price_set)

    @classmethod
    def from_document(cls, document: PriceDocument) -> GenaiPrices:
        """Read a price set that was synced."""
        providers = read_providers(document.content)
        return cls(
            providers,
            PriceSet(
                document.source,
                document.version,
                document.sha256,
                sum(len(provider.models) for provider in providers),
                document.as_of,
            ),
        )

    def knows(self, provider: str) -> bool:
        """Return True if there is a price list for `provider`, a canonical name."""
        return provider == _ROUTER or aliases.PROVIDERS.get(provider, provider) in self._providers

    def list_models(self) -> Iterator[tuple[str, str]]:
        """List provider and model of what has a price of its own name."""
        return ((p.id, model.id) for p in self._providers.values() for model in p.models)

    def list_names(self, providers: Sequence[str]) -> frozenset[str]:
        """List the names the clauses of some providers match; see `PriceSource.list_names`."""
        ids = {aliases.PROVIDERS.get(provider, provider) for provider in providers}
        listed = {name for name in ids if name in self._providers}
        owners = {
            owner
            for name in listed
            for owner in (name, *(self._providers[name].fallback_model_providers or ()))
        }
        other_names = (name for owner, name in aliases.MODELS if owner in owners)
        lists = map(self._price_list, owners)
        return frozenset(other_names).union(*((*each.exact, *each.named) for each in lists))

    def find(self, provider: str, model: str, selector: Selector) -> Timeline[Tariff | None] | None:
        """Find the prices of a model; see `PriceSource.find`."""
        list_id = aliases.PROVIDERS.get(provider, provider)
        if list_id == _ROUTER:
            # router.huggingface.co: `meta-llama/Llama-3.3-70B-Instruct:groq`
            model, _, host = model.rpartition(":")
            list_id = f"{_ROUTER}_{host.lower()}"
        if list_id not in self._providers:
            return None
        owners = (list_id, *(self._providers[list_id].fallback_model_providers or ()))
        for name in list_spellings(list_id, model):
            for owner in owners:
                found = self._price_list(owner).find(name)
                if found is not None and (owner, found.id) not in aliases.NOT_FREE:
                    return self._timeline(
                        owner,
                        found,
                        selector,
                        own=owner == list_id,
                        doubts=self._doubts(list_id, owner, name, found),
                    )
        return None

    def _doubts(
        self, list_id: str, owner: str, name: str, found: genai.ModelInfo
    ) -> tuple[str, ...]:
        if owner != list_id and (list_id, owner) not in aliases.SAME_PRICES:
            return (f"priced at the list of {owner}",)
        if list_id == "aws" and name.startswith("claude-"):
            elsewhere = self._price_list("aws").find(f"global.anthropic.{name}")
            if elsewhere is not None and elsewhere.prices != found.prices:
                return ("inference profile not in the model's name, in-region price",)
        return ()

    def _price_list(self, list_id: str) -> _PriceList:
        if list_id not in self._lists:
            self._lists[list_id] = _PriceList(self._providers[list_id])
        return self._lists[list_id]

    def _timeline(
        self,
        owner: str,
        model: genai.ModelInfo,
        selector: Selector,
        *,
        own: bool,
        doubts: tuple[str, ...],
    ) -> Timeline[Tariff | None]:
        # Another provider's list says nothing about this provider's discounts.
        if not own and selector != Selector():
            return Timeline((-(2**63),), (0,), ((None,),))
        wanted = _price_context(selector)
        dates = sorted(set(_start_dates(model, wanted)))
        starts = [instant_ns(text) for text in dates]
        minutes = sorted({0, *_minutes(model, wanted)})

        def on(time_ns: int, minute: int, _is_rest_day: bool) -> Tariff | None:
            period = bisect_right(starts, time_ns)
            since = dates[period - 1] if period else ""
            until = dates[period] if period < len(dates) else ""
            midnight = datetime.fromisoformat(since) if since else _BEFORE_HISTORY
            moment = midnight.replace(tzinfo=UTC) + timedelta(minutes=minute)
            honoured = _honoured(model, moment, wanted)
            served = Selector(
                batch="processing" in honoured,
                service_tier=honoured.get("service_tier", ""),
                speed=honoured.get("speed", ""),
                utc=_part_of_day(minutes, minute),
            )
            prices = vars(model.get_prices(moment, honoured))
            listed = {key: price for key, price in prices.items() if key in METRICS}
            if prices and not listed:
                return None  # priced in units we do not know, which is not free
            steps = _steps(listed)
            rates = tuple(
                make_rate(
                    owner,
                    model.id,
                    _unit_prices(listed, step),
                    selector=served._replace(min_input_tokens=step),
                    effective_from=since,
                    effective_to=until,
                    source="catalogue",
                    price_set=self.price_set.sha256,
                )
                for step in steps
            )
            if served.call != selector.call:
                return None
            return Tariff(rates, steps, doubts)

        return tabulate(on, starts_ns=starts, minutes=minutes)


_Listed = dict[str, "Decimal | genai.TieredPrices"]


def _steps(listed: _Listed) -> tuple[int, ...]:
    # A tier starts above `start`: the whole request pays it from one token more.
    tiers = (tier for price in listed.values() for tier in getattr(price, "tiers", ()))
    return tuple(sorted({0, *(tier.start + 1 for tier in tiers)}))


def _unit_prices(listed: _Listed, step: int) -> Iterator[UnitPrice]:
    for key, price in listed.items():
        metric, per = METRICS[key]
        yield UnitPrice(metric, _amount(price, step), per)


def _amount(price: Decimal | genai.TieredPrices, step: int) -> Decimal:
    if isinstance(price, Decimal):
        return price
    amount = price.base
    for tier in price.tiers:
        if step > tier.start:
            amount = tier.price
    return amount


def _price_context(selector: Selector) -> dict[str, str]:
    wanted = {}
    if selector.batch:
        wanted["processing"] = "batch"
    if selector.service_tier:
        wanted["service_tier"] = selector.service_tier
    if selector.speed:
        wanted["speed"] = selector.speed
    return wanted


def _honoured(
    model: genai.ModelInfo, moment: datetime, wanted: Mapping[str, str]
) -> dict[str, str]:
    """Return the part of `wanted` for which the model has a price in force at `moment`."""
    honoured = {}
    for variant in model.price_variants or ():
        if variant.constraint is not None and not variant.constraint.active(moment):
            continue
        if all(wanted.get(key) == value for key, value in variant.when.items()):
            honoured.update(variant.when)
    return honoured


def _constraints(model: genai.ModelInfo, wanted: Mapping[str, str]) -> Iterator[object]:
    """Yield what the price can depend on for a call made as `wanted`."""
    if isinstance(model.prices, list):
        yield from (conditional.constraint for conditional in model.prices)
    for variant in model.price_variants or ():
        if variant.when.items() <= wanted.items():
            yield variant.constraint


def _start_dates(model: genai.ModelInfo, wanted: Mapping[str, str]) -> Iterator[str]:
    for constraint in _constraints(model, wanted):
        start = getattr(constraint, "start_date", None)
        if start is not None:
            yield start.isoformat()


def _minutes(model: genai.ModelInfo, wanted: Mapping[str, str]) -> Iterator[int]:
    for constraint in _constraints(model, wanted):
        for name in ("start_time", "end_time"):
            mark = getattr(constraint, name, None)
            if mark is not None:
                moment = datetime.combine(_BEFORE_HISTORY.date(), mark)
                if moment.tzinfo is not None:
                    moment = moment.astimezone(UTC)
                yield moment.hour * 60 + moment.minute


def _part_of_day(minutes: list[int], minute: int) -> str:
    if len(minutes) == 1:
        return ""
    after = [mark for mark in minutes if mark > minute]
    end = after[0] if after else 24 * 60
    return f"{minute // 60:02}:{minute % 60:02}-{end // 60:02}:{end % 60:02}"
