from __future__ import annotations

from spantoll.semconv import attributes as keys
from spantoll.semconv.dialect import SpanView
from spantoll.semconv.events import EventDialect
from spantoll.semconv.genai import GENAI
from spantoll.semconv.table import TableDialect
from spantoll.semconv.usage import UNDECLARED, Counting

PREFIX = "opentelemetry.instrumentation.genai."
INCLUSIVE_SCOPES = (
    PREFIX,
    "opentelemetry.instrumentation.google_genai",
    "com.anthropic.sdk.python",
    "spantoll.",
)
INCLUSIVE = Counting(input_has_cache=True)


def _declare_counting(span: SpanView, provider: str | None) -> Counting:
    scope = span.scope_name
    if scope.startswith(PREFIX + "bedrock"):
        # Converse and InvokeModel pass Bedrock's own counters on (extractors.py of 1.3b0).
        return Counting(input_has_cache=False)
    return INCLUSIVE if scope.startswith(INCLUSIVE_SCOPES) else UNDECLARED


DIALECT = TableDialect(
    name="otel",
    keys=GENAI,
    scopes=(
        PREFIX,
        "opentelemetry.instrumentation.google_genai",
        "com.anthropic.sdk.python*",
        "spantoll.instrumentation*",
    ),
    markers=(
        "gen_ai.operation.name",
        "gen_ai.request.model",
        "gen_ai.response.model",
        "gen_ai.provider.name",
        "gen_ai.system",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
    ),
    # The last to be asked: other dialects write some of these keys too.
    rank=90,
    counting=_declare_counting,
)

EVENTS = EventDialect(
    names={keys.DETAILS_EVENT: False, keys.USAGE_EVENT: False},
    span_scopes=("spantoll.instrumentation",),
    # They report the same call by an event of their own, with cached and thinking tokens.
    except_scopes=("gemini-cli", "qwen-code"),
)
