"""Google's Agent Development Kit: `generate_content` of schema 2, `call_llm` of schema 1."""

from __future__ import annotations

from spantoll.semconv.call import Role
from spantoll.semconv.dialect import SpanView
from spantoll.semconv.fields import Found
from spantoll.semconv.genai import GENAI
from spantoll.semconv.provider_usage import read_totals
from spantoll.semconv.roles import role_of_operation
from spantoll.semconv.table import TableDialect
from spantoll.semconv.usage import Counting
from spantoll.semconv.values import mapping

ANSWER = "gcp.vertex.agent.llm_response"


def _decide_role(span: SpanView, found: Found) -> Role | None:
    # Schema 1 wraps the call in `call_llm`, without an operation; it counts where it stands alone.
    return role_of_operation(found.get("operation")) or (
        "inference" if span.name.startswith("call_llm") else "aggregate"
    )


def _refine(span: SpanView, found: Found) -> None:
    """Schema 1 leaves thoughts and the cache to the answer. Only its usage is read."""
    usage = mapping(mapping(span.attributes.get(ANSWER)).get("usage_metadata"))
    if usage:
        found.update(read_totals(usage))


DIALECT = TableDialect(
    name="google_adk",
    keys=GENAI,
    scopes=("gcp.vertex.agent",),
    rank=30,
    counting=Counting(input_has_cache=True),
    role=_decide_role,
    refine=_refine,
)
