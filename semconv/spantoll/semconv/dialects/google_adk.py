from __future__ import annotations

from spantoll.semconv.call import Role
from spantoll.semconv.dialect import SpanView
from spantoll.semconv.dialects.otel import GENAI
from spantoll.semconv.numbers import mapping
from spantoll.semconv.provider_usage import totals
from spantoll.semconv.roles import role_of
from spantoll.semconv.table import Found, TableDialect
from spantoll.semconv.usage import Counting


def _role(span: SpanView, found: Found) -> Role | None:
    # Schema 1 wraps the call in `call_llm`, without an operation; it counts where it stands alone.
    return role_of(found.get("operation")) or (
        "inference" if span.name.startswith("call_llm") else "aggregate"
    )


def _counting(span: SpanView, provider: str | None) -> Counting:
    return Counting(input_has_cache=True)


def _refine(span: SpanView, found: Found) -> None:
    """Schema 1 leaves thoughts and the cache to the answer. Only its usage is read."""
    usage = mapping(mapping(found.get("answer")).get("usage_metadata"))
    if usage:
        found.update(totals(usage))


DIALECT = TableDialect(
    name="google_adk",
    keys={**GENAI, "answer": ("gcp.vertex.agent.llm_response",)},
    scopes=("gcp.vertex.agent",),
    rank=30,
    counting=_counting,
    role=_role,
    refine=_refine,
)
