from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from spantoll.semconv import attributes as keys
from spantoll.semconv import outcome, people, providers
from spantoll.semconv.call import BILLABLE_ROLES, ModelCall, ReportedCost, Role
from spantoll.semconv.dialect import SpanView
from spantoll.semconv.numbers import decimal, integer, texts
from spantoll.semconv.roles import operation_of, role_of
from spantoll.semconv.usage import COUNTERS, Counting, read_usage

__all__ = ["Found", "TableDialect"]

Found = dict[str, Any]
"""Field of a call -> raw value, as the table of a dialect found it on a span."""

Place = tuple[str | None, int, str | None] | None
"""Field and rank of an attribute, and its name as metadata or unit; None for what is left out."""

UNIT = -1
"""Rank of an attribute that names a unit of usage itself."""

MOST_PLACES = 10_000
"""Attribute keys worth remembering: applications may make keys up without end."""

USAGE_FIELDS = frozenset(
    {"input", "output", "total", "uncached", "cache_read", "cache_write", "audio_ms", "characters"}
    | {"images", "extra", "video_ms"}
)


def _declared(_: SpanView, __: str | None) -> Counting:
    return Counting()


@dataclass(frozen=True, slots=True)
class TableDialect:
    """A dialect that is mostly a table: the fields of a call, and where a span keeps them.

    Of several keys of one field the first that is present wins, so numbers that are told twice are
    never added.
    """

    name: str
    keys: Mapping[str, tuple[str, ...]]
    scopes: tuple[str, ...] = ()
    """Scope names; one that ends with a dot or an asterisk is a prefix."""
    markers: tuple[str, ...] = ()
    """Attribute keys that no other dialect writes."""
    rank: int = 50
    """Recognition goes through the dialects from low to high; scopes of all before any marker."""
    counting: Callable[[SpanView, str | None], Counting] = _declared
    """What the totals mean, by scope version and provider."""
    role: Callable[[SpanView, Found], Role | None] | None = None
    """The role where the operation does not say it; None falls back to the operation."""
    refine: Callable[[SpanView, Found], None] | None = None
    """Fill in what a table cannot say, such as numbers inside JSON text."""
    fixed_provider: str | None = None
    cost_source: str = "instrumentation"
    _index: dict[str, tuple[str, int]] = field(init=False, repr=False, compare=False)
    _places: dict[str, Place] = field(init=False, repr=False, compare=False)
    _exact: frozenset[str] = field(init=False, repr=False, compare=False)
    _prefixes: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        index: dict[str, tuple[str, int]] = {}
        for table in (self.keys, keys.ATTRIBUTION, COMMON):
            for name, spellings in table.items():
                for at, spelling in enumerate(spellings):
                    index.setdefault(spelling, (name, at))
        object.__setattr__(self, "_index", index)
        object.__setattr__(self, "_places", {})
        is_prefix = [scope.endswith((".", "*")) for scope in self.scopes]
        exact = (s for s, prefix in zip(self.scopes, is_prefix, strict=True) if not prefix)
        object.__setattr__(self, "_exact", frozenset(exact))
        prefixes = (s for s, prefix in zip(self.scopes, is_prefix, strict=True) if prefix)
        object.__setattr__(self, "_prefixes", tuple(s.rstrip("*") for s in prefixes))

    def recognises_scope(self, scope_name: str) -> bool:
        """Tell whether spans of an instrumentation scope are written in this dialect."""
        return scope_name in self._exact or (
            bool(self._prefixes) and scope_name.startswith(self._prefixes)
        )

    def recognises(self, span: SpanView) -> bool:
        """Tell whether a span of an unknown scope carries what only this dialect writes."""
        attributes = span.attributes
        return any(marker in attributes for marker in self.markers)

    def read(self, span: SpanView) -> ModelCall | None:
        """See `Dialect.read`."""
        found, metadata = self._find(span)
        if self.refine is not None:
            self.refine(span, found)
        role = self.role(span, found) if self.role is not None else None
        get = found.get
        operation = get("operation")
        role = role or role_of(operation) or _role_by_evidence(found)
        if role is None:
            return None
        provider_raw = _text(get("provider"))
        told = self.fixed_provider or providers.canonical(provider_raw)
        host = _text(get("server_address")) or _text(get("api_base"))
        hosted = providers.from_host(host)
        provider = hosted or told
        counters: Found = {}
        whom: dict[str, str] = {}
        more: dict[str, Any] = {}
        for name, value in found.items():
            kind = KINDS.get(name)
            if kind is COUNTER:
                counters[name] = value
            elif kind is WHOM:
                if (person := people.name(value)) is not None:
                    whom[name] = person
            elif kind is not None and (read := kind[1](value)) is not None:
                more[kind[0]] = read
        if host is not None:
            more["server_address"] = host
            if provider == "aws.bedrock" and (region := providers.region_of(host)):
                more.setdefault("region", region)
        if "cost" in found:
            more["reported_cost"] = self._cost(found)
        usage, quality, notes = read_usage(
            counters,
            self.counting(span, provider),
            provider=provider,
            billable=role in BILLABLE_ROLES,
        )
        if hosted and told and hosted != told:
            notes = (*notes, f"provider: {host} is {hosted}, though the span says {provider_raw}")
        status, error_type, error_message = outcome.of(span, found)
        return ModelCall(
            span.trace_id,
            span.span_id,
            span.parent_span_id,
            span.start_ns,
            span.end_ns,
            role,
            operation_of(operation),
            provider,
            provider_raw,
            _text(get("request_model")),
            _text(get("response_model")),
            _text(get("response_id")),
            usage,
            people.of(span.resource, whom, metadata),
            status,
            error_type,
            error_message,
            self.name,
            span.scope_name,
            span.scope_version,
            quality,
            notes,
            **more,
        )

    def _find(self, span: SpanView) -> tuple[Found, people.Metadata]:
        """Walk the attributes once: fields by the table, and what may be kept as metadata."""
        found: Found = {}
        ranks: dict[str, int] = {}
        metadata: people.Metadata = {}
        places = self._places
        for key, value in span.attributes.items():
            place = places[key] if key in places else self._place(key)
            if place is None or value is None:
                continue
            name, rank, label = place
            if name is not None:
                if name not in found or rank < ranks[name]:
                    found[name] = value
                    ranks[name] = rank
                if label is None:
                    continue
            if label is not None:
                if rank == UNIT:
                    found.setdefault("extra", {})[label] = integer(value)
                else:
                    people.keep(metadata, label, value)
        return found, metadata

    def _place(self, key: str) -> Place:
        """Where an attribute goes, decided once per key."""
        name, rank = self._index.get(key, (None, 0))
        label = people.metadata_name(key)
        if key.startswith(keys.SPANTOLL_USAGE_PREFIX):
            label, rank = key.removeprefix(keys.SPANTOLL_USAGE_PREFIX), UNIT
        place = (name, rank, label) if name is not None or label is not None else None
        if len(self._places) < MOST_PLACES:
            self._places[key] = place
        return place

    def _cost(self, found: Found) -> ReportedCost | None:
        amount = decimal(found.get("cost"))
        if amount is None:
            return None
        source = _text(found.get("cost_source")) or self.cost_source
        if source.startswith("spantoll/"):
            # A receiver of ours priced the span before it sent it on: that is no report.
            return None
        return ReportedCost(amount, _text(found.get("cost_currency")) or "USD", source)


COMMON: dict[str, tuple[str, ...]] = {
    "server_address": (keys.SERVER_ADDRESS,),
    "server_port": (keys.SERVER_PORT,),
    "api_base": ("gen_ai.openai.api_base", "url.full"),
    "error_type": (keys.ERROR_TYPE,),
    "usage_status": (keys.SPANTOLL_USAGE_STATUS,),
    "cache_write_1h": (
        keys.SPANTOLL_CACHE_WRITE_1H,
        "anthropic.usage.cache_creation.ephemeral_1h_input_tokens",
    ),
    "cache_write_5m": ("anthropic.usage.cache_creation.ephemeral_5m_input_tokens",),
    "images": (keys.SPANTOLL_IMAGES,),
    "audio_ms": (keys.SPANTOLL_AUDIO_MS,),
    "video_ms": (keys.SPANTOLL_VIDEO_MS,),
    "characters": (keys.SPANTOLL_CHARACTERS,),
    "image_size": (keys.SPANTOLL_IMAGE_SIZE, "gen_ai.request.image_size"),
    "image_quality": (keys.SPANTOLL_IMAGE_QUALITY, "gen_ai.request.image_quality"),
    "batch": (keys.SPANTOLL_BATCH,),
    "speed": (keys.SPANTOLL_SPEED,),
    "region": (keys.SPANTOLL_REGION, "cloud.region"),
    "deployment": (keys.SPANTOLL_DEPLOYMENT,),
    "deployment_type": (keys.SPANTOLL_DEPLOYMENT_TYPE,),
    "provider_instance": (keys.SPANTOLL_PROVIDER_INSTANCE,),
    "request_id": (keys.SPANTOLL_REQUEST_ID, "anthropic.request.id", "aws.request_id"),
    "cache_hit": (keys.SPANTOLL_CACHE_HIT, "litellm.cache_hit"),
    "service_tier_requested": (
        keys.OPENAI_REQUEST_SERVICE_TIER,
        "gen_ai.openai.request.service_tier",
        keys.SPANTOLL_SERVICE_TIER_REQUESTED,
    ),
    "service_tier": (
        keys.OPENAI_RESPONSE_SERVICE_TIER,
        "gen_ai.openai.response.service_tier",
        "anthropic.response.service_tier",
        keys.SPANTOLL_SERVICE_TIER,
    ),
    "cost_currency": (keys.COST_CURRENCY,),
    "cost_source": (keys.COST_SOURCE,),
}


COUNTER = ("counter", integer)
WHOM = ("whom", people.name)


def _role_by_evidence(found: Found) -> Role | None:
    """An unknown operation is a model call if a model was named and it used something."""
    has_model = "request_model" in found or "response_model" in found
    if has_model and not USAGE_FIELDS.isdisjoint(found):
        return "inference"
    return "aggregate" if found.get("operation") or has_model else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _flag(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    return value.lower() == "true" if isinstance(value, str) else None


def _nanoseconds(seconds: object) -> int | None:
    number = decimal(seconds)
    return int(number * 1_000_000_000) if number is not None and number < 1_000_000 else None


def _true(value: object) -> bool | None:
    return _flag(value) or None


KINDS: dict[str, tuple[str, Callable[[object], object]]] = {
    **dict.fromkeys((*COUNTERS, "extra", "usage_status"), COUNTER),
    **dict.fromkeys(people.FIELDS, WHOM),
    "provider_instance": ("provider_instance", _text),
    "server_port": ("server_port", integer),
    "stream": ("stream", _flag),
    "finish_reasons": ("finish_reasons", texts),
    "time_to_first_chunk_s": ("time_to_first_chunk_ns", _nanoseconds),
    "service_tier_requested": ("service_tier_requested", _text),
    "service_tier": ("service_tier", _text),
    "speed": ("speed", _text),
    "batch": ("batch", _true),
    "region": ("region", _text),
    "deployment": ("deployment", _text),
    "deployment_type": ("deployment_type", _text),
    "image_size": ("image_size", _text),
    "image_quality": ("image_quality", _text),
    "cache_hit": ("cache_hit", _flag),
    "request_id": ("request_id", _text),
}
"""What a found field is: a counter, a person, or a field of the call and how it is read."""
