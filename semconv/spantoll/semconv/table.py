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
from spantoll.semconv.usage import Counting, read_usage

__all__ = ["Found", "TableDialect"]

Found = dict[str, Any]
"""Field of a call -> raw value, as the table of a dialect found it on a span."""

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
    _exact: frozenset[str] = field(init=False, repr=False, compare=False)
    _prefixes: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        index: dict[str, tuple[str, int]] = {}
        for table in (self.keys, keys.ATTRIBUTION, COMMON):
            for name, spellings in table.items():
                for at, spelling in enumerate(spellings):
                    index.setdefault(spelling, (name, at))
        object.__setattr__(self, "_index", index)
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
        found = self._find(span)
        if self.refine is not None:
            self.refine(span, found)
        role = self.role(span, found) if self.role is not None else None
        operation = found.get("operation")
        role = role or role_of(operation) or _role_by_evidence(found)
        if role is None:
            return None
        provider_raw = found.get("provider")
        told = self.fixed_provider or providers.canonical(_text(provider_raw))
        host = _text(found.get("server_address")) or _text(found.get("api_base"))
        hosted = providers.from_host(host)
        provider = hosted or told
        usage, quality, notes = read_usage(
            found,
            self.counting(span, provider),
            provider=provider,
            billable=role in BILLABLE_ROLES,
        )
        if hosted and told and hosted != told:
            notes = (*notes, f"provider: {host} is {hosted}, though the span says {provider_raw}")
        status, error_type, error_message = outcome.of(span, found)
        get = found.get
        return ModelCall(
            span.trace_id,
            span.span_id,
            span.parent_span_id,
            span.start_ns,
            span.end_ns,
            role,
            operation_of(operation),
            provider,
            _text(provider_raw),
            _text(get("request_model")),
            _text(get("response_model")),
            _text(get("response_id")),
            usage,
            people.of(span, found),
            status,
            error_type,
            error_message,
            self.name,
            span.scope_name,
            span.scope_version,
            quality,
            notes,
            _text(get("provider_instance")),
            host,
            integer(get("server_port")),
            _flag(get("stream")),
            texts(get("finish_reasons")),
            _nanoseconds(get("time_to_first_chunk_s")),
            _text(get("service_tier_requested")),
            _text(get("service_tier")),
            _text(get("speed")),
            _flag(get("batch")) or False,
            _text(get("region")) or providers.region_of(host),
            _text(get("deployment")),
            _text(get("deployment_type")),
            _text(get("image_size")),
            _text(get("image_quality")),
            _flag(get("cache_hit")),
            self._cost(found),
            _text(get("request_id")),
        )

    def _find(self, span: SpanView) -> Found:
        found: Found = {}
        ranks: dict[str, int] = {}
        index = self._index
        for key, value in span.attributes.items():
            slot = index.get(key)
            if slot is not None and value is not None:
                name, rank = slot
                if name not in found or rank < ranks[name]:
                    found[name] = value
                    ranks[name] = rank
            elif key.startswith(keys.SPANTOLL_USAGE_PREFIX):
                unit = key.removeprefix(keys.SPANTOLL_USAGE_PREFIX)
                found.setdefault("extra", {})[unit] = integer(value)
        return found

    def _cost(self, found: Found) -> ReportedCost | None:
        amount = decimal(found.get("cost"))
        if amount is None:
            return None
        source = _text(found.get("cost_source")) or self.cost_source
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
