from __future__ import annotations

import re

from spantoll.semconv.call import Role
from spantoll.semconv.dialect import SpanView
from spantoll.semconv.dialects.otel import GENAI
from spantoll.semconv.numbers import mapping
from spantoll.semconv.provider_usage import parts, supplement
from spantoll.semconv.roles import role_of
from spantoll.semconv.table import Found, TableDialect
from spantoll.semconv.usage import Counting

INCLUSIVE_SINCE = (4, 30)
"""Release after logfire#1812 (March 2026): before, Anthropic's input left the cached tokens out."""


def _version(span: SpanView) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", span.scope_version)[:2])


def _counting(span: SpanView, provider: str | None) -> Counting:
    if span.scope_name == "logfire.anthropic" and _version(span) < INCLUSIVE_SINCE:
        return Counting()
    return Counting(input_has_cache=True)


def _role(span: SpanView, found: Found) -> Role | None:
    if found.get("span_type") == "pending_span":
        # A preview of a span that will come: it must not be taken for it.
        return "aggregate"
    return role_of(found.get("operation")) or (
        "aggregate" if "request_model" not in found else None
    )


def _refine(span: SpanView, found: Found) -> None:
    raw = mapping(found.get("raw"))
    supplement(found, parts(raw))
    if "cost" in raw:
        # OpenRouter's own number, unlike `operation.cost`, which Logfire computes.
        found["cost"], found["cost_source"] = raw["cost"], "provider"


DIALECT = TableDialect(
    name="logfire",
    keys={
        **GENAI,
        "span_type": ("logfire.span_type",),
        "raw": ("gen_ai.usage.raw", "usage"),
        "stream": (),
    },
    scopes=("logfire.",),
    rank=35,
    counting=_counting,
    role=_role,
    refine=_refine,
)
