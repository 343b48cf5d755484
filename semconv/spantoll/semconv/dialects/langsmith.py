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
    """Details come as the repr of a Python dict, {'cache_read': 60}, or in LangChain's metadata."""
    whole = mapping(found.get("usage_metadata"))
    inputs = mapping(found.get("input_details") or whole.get("input_token_details"))
    outputs = mapping(found.get("output_details") or whole.get("output_token_details"))
    for name, details, key in (
        ("cache_read", inputs, "cache_read"),
        # 0 where the two lifetimes are told.
        ("cache_write", inputs, "cache_creation" if inputs.get("cache_creation") else None),
        ("cache_write_5m", inputs, "ephemeral_5m_input_tokens"),
        ("cache_write_1h", inputs, "ephemeral_1h_input_tokens"),
        ("audio_in", inputs, "audio"),
        ("reasoning", outputs, "reasoning"),
        ("audio_out", outputs, "audio"),
    ):
        if key and details.get(key) is not None:
            found.setdefault(name, details[key])


DIALECT = TableDialect(
    name="langsmith",
    keys={
        **GENAI,
        "kind": ("langsmith.span.kind",),
        "input_details": ("gen_ai.usage.input_token_details",),
        "usage_metadata": ("langsmith.metadata.usage_metadata",),
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
