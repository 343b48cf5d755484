from __future__ import annotations

from spantoll.semconv.call import Role
from spantoll.semconv.dialect import SpanView
from spantoll.semconv.dialects.otel import GENAI
from spantoll.semconv.numbers import mapping
from spantoll.semconv.table import Found, TableDialect
from spantoll.semconv.usage import Counting

ROLES: dict[str, Role] = {
    "llm": "inference",
    "embedding": "embedding",
    "tool": "tool",
    "retriever": "tool",
}


def _role(span: SpanView, found: Found) -> Role | None:
    return ROLES.get(str(found.get("kind")).lower(), "aggregate")


def _counting(span: SpanView, provider: str | None) -> Counting:
    # LangChain's usage_metadata adds everything up, whoever is called.
    return Counting(input_has_cache=True)


def _refine(span: SpanView, found: Found) -> None:
    """Details come as the repr of a Python dict: {'cache_read': 60}."""
    inputs, outputs = mapping(found.get("input_details")), mapping(found.get("output_details"))
    for name, details, key in (
        ("cache_read", inputs, "cache_read"),
        ("cache_write", inputs, "cache_creation"),
        ("audio_in", inputs, "audio"),
        ("reasoning", outputs, "reasoning"),
        ("audio_out", outputs, "audio"),
    ):
        if details.get(key) is not None:
            found.setdefault(name, details[key])


DIALECT = TableDialect(
    name="langsmith",
    keys={
        **GENAI,
        "kind": ("langsmith.span.kind",),
        "input_details": ("gen_ai.usage.input_token_details",),
        "output_details": ("gen_ai.usage.output_token_details",),
        "stream": ("langsmith.request.streaming",),
    },
    scopes=("langsmith",),
    markers=("langsmith.span.kind",),
    rank=40,
    counting=_counting,
    role=_role,
    refine=_refine,
)
