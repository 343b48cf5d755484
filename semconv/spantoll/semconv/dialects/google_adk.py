from __future__ import annotations

from spantoll.semconv.call import Role
from spantoll.semconv.dialect import SpanView
from spantoll.semconv.dialects.otel import GENAI
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


DIALECT = TableDialect(
    name="google_adk",
    keys=GENAI,
    scopes=("gcp.vertex.agent",),
    rank=30,
    counting=_counting,
    role=_role,
)
