from __future__ import annotations

from spantoll.semconv.dialect import SpanView
from spantoll.semconv.fields import Found
from spantoll.semconv.genai import GENAI
from spantoll.semconv.table import TableDialect
from spantoll.semconv.usage import Counting


def _declare_counting(span: SpanView, provider: str | None) -> Counting:
    # Its Anthropic client adds cached tokens to the input, as LiteLLM does; Bedrock's does not.
    return Counting(input_has_cache=provider != "aws.bedrock")


def _refine(span: SpanView, found: Found) -> None:
    # What it does not find in an answer it writes as 0 (telemetry/tracing/handlers.py of 1.15);
    # a model call has input.
    if found.get("input") == 0:
        del found["input"]


DIALECT = TableDialect(
    name="crewai",
    keys=GENAI,
    scopes=("crewai", "crewai."),
    rank=30,
    counting=_declare_counting,
    refine=_refine,
)
