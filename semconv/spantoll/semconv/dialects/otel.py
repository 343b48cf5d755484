from __future__ import annotations

from spantoll.semconv.dialect import SpanView
from spantoll.semconv.events import EventDialect
from spantoll.semconv.table import TableDialect
from spantoll.semconv.usage import Counting

GENAI: dict[str, tuple[str, ...]] = {
    "operation": ("gen_ai.operation.name",),
    "provider": ("gen_ai.provider.name", "gen_ai.system"),
    "request_model": ("gen_ai.request.model",),
    "response_model": ("gen_ai.response.model",),
    "response_id": ("gen_ai.response.id",),
    "input": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "output": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    "total": ("gen_ai.usage.total_tokens", "llm.usage.total_tokens"),
    "cache_read": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.cache_read_tokens",
        "gen_ai.usage.input_tokens.cached",
        "gen_ai.usage.details.cache_read_tokens",
        "gen_ai.usage.details.cached_tokens",
        "gen_ai.usage.details.cache_read_input_tokens",
        "gen_ai.usage.prompt_tokens_details.cached_tokens",
    ),
    "cache_write": (
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.cache_write_input_tokens",
        "gen_ai.usage.cache_creation_tokens",
        "gen_ai.usage.cache_write_tokens",
        "gen_ai.usage.input_tokens.cache_write",
        "gen_ai.usage.details.cache_write_tokens",
        "gen_ai.usage.details.cache_creation_input_tokens",
        "gen_ai.usage.prompt_tokens_details.cache_creation_tokens",
    ),
    "reasoning": (
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "gen_ai.usage.output_tokens.reasoning",
        "gen_ai.usage.details.reasoning_tokens",
        "gen_ai.usage.details.thoughts_tokens",
        "gen_ai.usage.experimental.reasoning_tokens",
    ),
    "audio_in": ("gen_ai.usage.audio.input_tokens", "gen_ai.usage.details.input_audio_tokens"),
    "audio_out": (
        "gen_ai.usage.audio.output_tokens",
        "gen_ai.usage.details.output_audio_tokens",
        "gen_ai.usage.completion_tokens_details.audio_tokens",
    ),
    "image_in": ("gen_ai.usage.image.input_tokens",),
    "image_out": ("gen_ai.usage.image.output_tokens",),
    "text_in": ("gen_ai.usage.text.input_tokens",),
    "finish_reasons": ("gen_ai.response.finish_reasons", "gen_ai.response.finish_reason"),
    "stream": ("gen_ai.request.stream", "gen_ai.is_streaming", "llm.is_streaming"),
    "time_to_first_chunk_s": (
        "gen_ai.response.time_to_first_chunk",
        "gen_ai.server.time_to_first_token",
    ),
    "cost": ("gen_ai.usage.cost.amount", "gen_ai.usage.cost", "operation.cost"),
}
"""The GenAI convention, with every name its attributes have had and those others gave them."""

PREFIX = "opentelemetry.instrumentation.genai."


def _counting(span: SpanView, provider: str | None) -> Counting:
    scope = span.scope_name
    if scope.startswith(PREFIX + "bedrock"):
        # Converse and InvokeModel pass Bedrock's own counters on (extractors.py of 1.3b0).
        return Counting(input_has_cache=False)
    if scope.startswith((PREFIX, "opentelemetry.instrumentation.google_genai", "spantoll.")):
        return Counting(input_has_cache=True)
    if scope.startswith("com.anthropic.sdk.python"):
        return Counting(input_has_cache=True)
    return Counting()


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
    counting=_counting,
)

EVENTS = EventDialect(
    names={"gen_ai.client.inference.operation.details": False},
    # They tell the same call by an event of their own, which has the cached and thinking tokens.
    except_scopes=("gemini-cli", "qwen-code"),
)
