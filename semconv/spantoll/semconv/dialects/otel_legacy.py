from __future__ import annotations

from spantoll.semconv.dialect import SpanView
from spantoll.semconv.genai import GENAI
from spantoll.semconv.table import TableDialect
from spantoll.semconv.usage import Counting

INCLUSIVE = Counting(input_has_cache=True)
BEDROCK = "opentelemetry.instrumentation.botocore.bedrock-runtime"


def _declare_counting(span: SpanView, provider: str | None) -> Counting:
    if span.scope_name != BEDROCK:
        return INCLUSIVE
    # botocore passes Bedrock's own counters on, which leave cached tokens out (bedrock.py:410-428).
    # Of what InvokeModel answers it reads the two totals only.
    invoked = str(span.attributes.get("rpc.method", "")).startswith("InvokeModel")
    return Counting(input_has_cache=False, reports_cache=not invoked)


DIALECT = TableDialect(
    name="otel_legacy",
    keys=GENAI,
    scopes=(
        BEDROCK,
        "opentelemetry.instrumentation.openai_v2",
        "opentelemetry.instrumentation.vertexai",
    ),
    rank=20,
    counting=_declare_counting,
)
