from __future__ import annotations

import re

from spantoll.semconv.call import Role
from spantoll.semconv.dialect import SpanView
from spantoll.semconv.fields import Found
from spantoll.semconv.genai import GENAI
from spantoll.semconv.provider_usage import add_missing, read_billed_cost, read_parts
from spantoll.semconv.roles import role_of_operation
from spantoll.semconv.table import TableDialect
from spantoll.semconv.usage import Counting
from spantoll.semconv.values import mapping

INCLUSIVE_SINCE = (4, 30)
"""Release after logfire#1812 (March 2026): before, Anthropic's input left the cached tokens out."""


def _read_version(span: SpanView) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", span.scope_version)[:2])


def _declare_counting(span: SpanView, provider: str | None) -> Counting:
    if span.scope_name == "logfire.anthropic" and _read_version(span) < INCLUSIVE_SINCE:
        return Counting()
    return Counting(input_has_cache=True)


def _decide_role(span: SpanView, found: Found) -> Role | None:
    if span.attributes.get("logfire.span_type") == "pending_span":
        # Sent when a span starts, without its usage; the span itself follows.
        return "aggregate"
    return role_of_operation(found.get("operation")) or (
        "aggregate" if "request_model" not in found else None
    )


def _refine(span: SpanView, found: Found) -> None:
    attributes = span.attributes
    raw = attributes.get("gen_ai.usage.raw")
    usage = mapping(attributes.get("usage") if raw is None else raw)
    add_missing(found, read_parts(usage))
    cost = read_billed_cost(usage)
    if cost is not None:
        # OpenRouter's own number, unlike `operation.cost`, which Logfire computes.
        found["cost"], found["cost_source"] = cost, "provider"


DIALECT = TableDialect(
    name="logfire",
    keys={**GENAI, "stream": ()},
    scopes=("logfire.",),
    rank=35,
    counting=_declare_counting,
    role=_decide_role,
    refine=_refine,
)
