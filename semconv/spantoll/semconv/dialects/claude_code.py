from __future__ import annotations

from spantoll.semconv.call import Role
from spantoll.semconv.dialect import SpanView
from spantoll.semconv.table import Found, TableDialect
from spantoll.semconv.usage import Counting

REQUEST = "claude_code.llm_request"


def _role(span: SpanView, found: Found) -> Role | None:
    if span.name == REQUEST:
        return "inference"
    return "tool" if span.name.startswith("claude_code.tool") else "aggregate"


def _counting(span: SpanView, provider: str | None) -> Counting:
    return Counting(input_has_cache=False)


def _refine(span: SpanView, found: Found) -> None:
    if span.name == REQUEST:
        found["operation"] = "chat"


DIALECT = TableDialect(
    name="claude_code",
    keys={
        "request_model": ("model",),
        "input": ("input_tokens",),
        "output": ("output_tokens",),
        "cache_read": ("cache_read_tokens",),
        "cache_write": ("cache_creation_tokens",),
        "request_id": ("request_id",),
        "cost": ("cost_usd",),
    },
    scopes=("com.anthropic.claude_code*",),
    rank=20,
    counting=_counting,
    role=_role,
    refine=_refine,
    fixed_provider="anthropic",
)
