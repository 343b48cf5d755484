"""Spans of LangSmith's OpenTelemetry exporter, `langsmith.*`.

Input: the attributes of a span. Output: its role and usage. Source: the keys the exporter of the
`langsmith` package writes; its totals contain all details, as LangChain's usage_metadata does.
"""

from __future__ import annotations

from spantoll.semconv.call import Role
from spantoll.semconv.dialect import SpanView
from spantoll.semconv.fields import Found
from spantoll.semconv.genai import GENAI
from spantoll.semconv.provider_usage import add_missing, make_paths, read_paths
from spantoll.semconv.table import TableDialect
from spantoll.semconv.usage import Counting
from spantoll.semconv.values import mapping

KIND = "langsmith.span.kind"
ROLES: dict[str, Role] = {
    "llm": "inference",
    "embedding": "embedding",
    "tool": "tool",
    "retriever": "tool",
}
INPUT_DETAILS = make_paths(
    {
        # LangChain's prefixes for calls of another service tier of OpenAI.
        "cache_read": ("cache_read", "flex_cache_read", "priority_cache_read"),
        "cache_write": ("cache_creation",),
        "cache_write_5m": ("ephemeral_5m_input_tokens",),
        "cache_write_1h": ("ephemeral_1h_input_tokens",),
        "audio_in": ("audio",),
    },
    owner="dialect langsmith",
)
OUTPUT_DETAILS = make_paths(
    {
        "reasoning": ("reasoning", "flex_reasoning", "priority_reasoning"),
        "audio_out": ("audio",),
    },
    owner="dialect langsmith",
)
TIERS = ("flex", "priority")
"""Service tiers under which LangChain reports the tokens that are not cached or reasoning."""


def _decide_role(span: SpanView, found: Found) -> Role | None:
    return ROLES.get(str(span.attributes.get(KIND)).lower(), "aggregate")


def _refine(span: SpanView, found: Found) -> None:
    """Details come as the repr of a Python dict, {'cache_read': 60}, or in LangChain's metadata."""
    attributes = span.attributes
    usage = mapping(attributes.get("langsmith.metadata.usage_metadata"))
    inputs = attributes.get("gen_ai.usage.input_token_details")
    outputs = attributes.get("gen_ai.usage.output_token_details")
    input_details = mapping(inputs or usage.get("input_token_details"))
    for tier in TIERS:
        if tier in input_details:
            found.setdefault("service_tier", tier)
    of_input = read_paths(input_details, INPUT_DETAILS)
    if of_input.get("cache_write") == 0:
        # So it is where the two lifetimes are reported.
        del of_input["cache_write"]
    add_missing(found, of_input)
    of_output = mapping(outputs or usage.get("output_token_details"))
    add_missing(found, read_paths(of_output, OUTPUT_DETAILS))


DIALECT = TableDialect(
    name="langsmith",
    keys={
        **GENAI,
        "stream": ("langsmith.request.streaming",),
    },
    scopes=("langsmith",),
    markers=(KIND,),
    rank=40,
    # LangChain's usage_metadata adds everything up, whoever is called.
    counting=Counting(input_has_cache=True),
    role=_decide_role,
    refine=_refine,
)
