"""The engine that reads a span by the table of a dialect: `SpanView` in, `ModelCall` out.

A dialect is data: attribute keys by field (`fields.Found`), the scopes and marker keys by which it
is recognised, and what its totals mean. Three functions do what a table cannot: `refine` fills
fields that are inside JSON text, `role` and `counting` depend on more than one attribute.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, cast

from spantoll.semconv import attributes as keys
from spantoll.semconv import providers
from spantoll.semconv.attribution import Metadata, add_metadata, merge_attribution
from spantoll.semconv.call import BILLABLE_ROLES, ModelCall, ReportedCost, Role
from spantoll.semconv.dialect import AttributeValue, SpanView
from spantoll.semconv.fields import Found, check_fields, convert_into
from spantoll.semconv.genai import SHARED, Keys
from spantoll.semconv.outcome import read_outcome
from spantoll.semconv.roles import canonical_operation, role_of_operation
from spantoll.semconv.shapes import (
    OPTIONAL,
    Constants,
    Conversion,
    Plan,
    find_conversion,
    keep_constants,
    keep_plan,
    make_plan,
)
from spantoll.semconv.usage import UNDECLARED, Counting, find_unread_cache, read_usage
from spantoll.semconv.values import decimal, integer, text

__all__ = ["TableDialect"]

CALL_FIELDS = (
    *("operation", "provider", "request_model", "response_model"),
    *("input", "output", "total", "uncached"),
)
"""A span without any of these fields, and without a marker, cannot be read as a model call."""

USED = frozenset(
    {"input", "output", "total", "uncached", "cache_read", "cache_write", "audio_ms", "characters"}
    | {"images", "extra", "video_ms"}
)
"""Fields of which any shows that a model was used."""

SERVER_ADDRESS = OPTIONAL.index("server_address")
REGION = OPTIONAL.index("region")
REPORTED_COST = OPTIONAL.index("reported_cost")

check_fields([*keys.ATTRIBUTION, *SHARED, *CALL_FIELDS, *USED], "spantoll.semconv.table")


@dataclass(frozen=True, slots=True)
class TableDialect:
    """A dialect that is mostly a table. Raises UnknownField when made with a misspelt field."""

    name: str
    keys: Keys
    """Field -> attribute keys in order. Of several keys of one field only the first that is present
    is read, so a number that is reported twice is never added."""
    scopes: tuple[str, ...] = ()
    """Scope names; one that ends with a dot or an asterisk is a prefix."""
    markers: tuple[str, ...] = ()
    """Attribute keys that no other dialect writes."""
    marks_every_span: bool = False
    """True if every span has a marker, so that no other key needs to open the gate."""
    span_markers: tuple[str, ...] = ()
    """Text in the name or attributes of spans that have neither markers nor keys with a dot."""
    rank: int = 50
    """Dialects are asked from low to high; the scopes of all before the markers of any."""
    counting: Counting | Callable[[SpanView, str | None], Counting] = UNDECLARED
    """What the totals mean; a function where the span or its provider decides it."""
    role: Callable[[SpanView, Found], Role | None] | None = None
    """The role where the operation does not decide it; None falls back to the operation."""
    refine: Callable[[SpanView, Found], None] | None = None
    """Fill fields that a table cannot, such as numbers inside JSON text."""
    fixed_provider: str | None = None
    cost_source: str = "instrumentation"
    _index: dict[str, tuple[str, int]] = field(init=False, repr=False, compare=False)
    _plans: dict[tuple[str, ...], Plan] = field(init=False, repr=False, compare=False)
    _constants: dict[tuple[Any, ...], Constants] = field(init=False, repr=False, compare=False)
    _exact: frozenset[str] = field(init=False, repr=False, compare=False)
    _prefixes: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_fields(self.keys, f"dialect {self.name}")
        index: dict[str, tuple[str, int]] = {}
        for table in (self.keys, keys.ATTRIBUTION, SHARED):
            for name, spellings in table.items():
                for rank, spelling in enumerate(spellings):
                    index.setdefault(spelling, (name, rank))
        object.__setattr__(self, "_index", index)
        object.__setattr__(self, "_plans", {})
        object.__setattr__(self, "_constants", {})
        prefixes = tuple(scope for scope in self.scopes if scope.endswith((".", "*")))
        object.__setattr__(self, "_exact", frozenset(self.scopes).difference(prefixes))
        object.__setattr__(self, "_prefixes", tuple(scope.rstrip("*") for scope in prefixes))

    @property
    def gate(self) -> frozenset[bytes]:
        """See `Dialect.gate`: the markers, and the namespaces of the keys that make it a call."""
        opening = {*self.markers, *self.span_markers}
        if not self.marks_every_span:
            spellings = (
                key.partition(".") for name in CALL_FIELDS for key in self.keys.get(name, ())
            )
            opening.update(namespace + dot for namespace, dot, _ in spellings if dot)
        return frozenset(marker.encode() for marker in opening)

    def recognises_scope(self, scope_name: str) -> bool:
        """Return True if spans of an instrumentation scope are written in this dialect."""
        return scope_name in self._exact or (
            bool(self._prefixes) and scope_name.startswith(self._prefixes)
        )

    def recognises(self, span: SpanView) -> bool:
        """Return True if a span of an unknown scope carries a key that only this dialect writes."""
        attributes = span.attributes
        return any(marker in attributes for marker in self.markers)

    def read(self, span: SpanView) -> ModelCall | None:
        """See `Dialect.read`."""
        found, metadata, unread = self._find(span.attributes)
        if self.refine is not None:
            self.refine(span, found)
        names = tuple(found)
        conversion = find_conversion(names)
        constants = self._find_constants(span, found, names, conversion)
        if constants is None:
            return None
        values: dict[str, Any] = found  # type: ignore[assignment]  # names that are no literals
        role, head, provider, note, optional = constants
        counting = self.counting
        usage, quality, notes = read_usage(
            {name: values[name] for name in conversion.counters},
            counting if isinstance(counting, Counting) else counting(span, provider),
            provider=provider,
            billable=role in BILLABLE_ROLES,
            extra=found.get("extra"),
            status=found.get("usage_status"),
        )
        if unread and role in BILLABLE_ROLES:
            doubt = find_unread_cache({key: span.attributes[key] for key in unread}, usage)
            if doubt is not None:
                notes = (*notes, doubt)
                quality = "assumed" if quality == "exact" else quality
        if note is not None:
            notes = (*notes, note)
        if conversion.varying or "cost" in found or "cost_ticks" in found:
            optional = self._complete_optional(optional, found, conversion)
        return ModelCall._make(
            (
                span.trace_id,
                span.span_id,
                span.parent_span_id,
                span.start_ns,
                span.end_ns,
                role,
                *head,
                text(found.get("response_id")),
                usage,
                merge_attribution(span.resource, values, conversion.attribution, metadata),
                *read_outcome(span, found),
                self.name,
                span.scope_name,
                span.scope_version,
                quality,
                notes,
                *optional,
            )
        )

    def _find_constants(
        self, span: SpanView, found: Found, names: tuple[str, ...], conversion: Conversion
    ) -> Constants | None:
        """Find what follows from the values that spans share; None if it is no GenAI span."""
        role = self.role(span, found) if self.role is not None else None
        picked = conversion.pick_constants(found)
        # 1 equals True, and only one of them is a port or a flag.
        key = (names, role, picked, tuple(map(type, picked)))
        try:
            constants = self._constants.get(key)
        except TypeError:  # a mapping
            return self._read_constants(found, conversion, role)
        if constants is None:
            constants = self._read_constants(found, conversion, role)
            if constants is not None:
                keep_constants(self._constants, key, constants)
        return constants

    def _read_constants(
        self, found: Found, conversion: Conversion, role: Role | None
    ) -> Constants | None:
        operation = found.get("operation")
        role = role or role_of_operation(operation) or _role_by_evidence(found)
        if role is None:
            return None
        model = text(found.get("request_model"))
        source = providers.identify_provider(
            raw=text(found.get("provider")),
            fixed=self.fixed_provider,
            host=text(found.get("server_address")) or text(found.get("api_base")),
            model=model,
        )
        optional = list(ModelCall._field_defaults.values())
        convert_into(optional, conversion.constant, found)
        if source.host is not None:
            optional[SERVER_ADDRESS] = source.host
        if source.region is not None and optional[REGION] is None:
            optional[REGION] = source.region
        names = (canonical_operation(operation), source.provider, source.raw, model)
        head = (*names, text(found.get("response_model")))
        return Constants(role, head, source.provider, source.note, tuple(optional))

    def _complete_optional(
        self, constant: tuple[Any, ...], found: Found, conversion: Conversion
    ) -> tuple[Any, ...]:
        """Add what varies to the optional fields of a call."""
        optional = list(constant)
        convert_into(optional, conversion.varying, found)
        if "cost" in found or "cost_ticks" in found:
            optional[REPORTED_COST] = self._read_cost(found)
        return tuple(optional)

    def _find(
        self, attributes: Mapping[str, AttributeValue]
    ) -> tuple[Found, Metadata, tuple[str, ...]]:
        """Find the fields by the table, what may be kept as metadata, and unread cached tokens."""
        shape = tuple(attributes)
        plan = self._plans.get(shape)
        if plan is None:
            plan = make_plan(shape, self._index)
            keep_plan(self._plans, shape, plan)
        values = plan.pick(attributes)
        if None in values:
            # A key without a value is as good as absent: another key of the field may have one.
            return self._find(
                {key: value for key, value in attributes.items() if value is not None}
            )
        found: dict[str, Any] = dict(zip(plan.fields, values, strict=False))
        metadata: Metadata = {}
        for key, name in plan.metadata:
            add_metadata(metadata, name, attributes[key])
        for key, unit in plan.units:
            if attributes[key] is not None:
                found.setdefault("extra", {})[unit] = integer(attributes[key])
        return cast("Found", found), metadata, plan.unread_cache

    def _read_cost(self, found: Found) -> ReportedCost | None:
        ticks = integer(found.get("cost_ticks"))
        if ticks is not None:
            # What xAI bills, 10^10 to the dollar: https://docs.x.ai/developers/cost-tracking.
            return ReportedCost(Decimal(ticks).scaleb(-10), "USD", "provider")
        amount = decimal(found.get("cost"))
        if amount is None:
            return None
        source = text(found.get("cost_source")) or self.cost_source
        if source.startswith("spantoll/"):
            # A receiver of ours priced the span before it sent it on: nobody reported a cost.
            return None
        return ReportedCost(amount, text(found.get("cost_currency")) or "USD", source)


def _role_by_evidence(found: Found) -> Role | None:
    """An unknown operation is a model call if a model was named and something was used."""
    has_model = "request_model" in found or "response_model" in found
    if has_model and not USED.isdisjoint(found):
        return "inference"
    return "aggregate" if found.get("operation") or has_model else None
