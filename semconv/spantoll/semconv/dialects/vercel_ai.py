from __future__ import annotations

from collections.abc import Mapping

from spantoll.semconv.call import Role
from spantoll.semconv.dialect import SpanView
from spantoll.semconv.dialects.otel import GENAI
from spantoll.semconv.numbers import mapping
from spantoll.semconv.provider_usage import totals
from spantoll.semconv.table import Found, TableDialect
from spantoll.semconv.usage import Counting

LEAVES: dict[str, tuple[str, Role]] = {
    "doGenerate": ("chat", "inference"),
    "doStream": ("chat", "inference"),
    "doEmbed": ("embeddings", "embedding"),
    "doRerank": ("rerank", "inference"),
}
ROOT_LEAVES: dict[str, tuple[str, Role]] = {
    "ai.generateSpeech": ("speech", "media"),
    "ai.transcribe": ("transcription", "media"),
    "ai.generateImage": ("image_generation", "media"),
    "ai.rerank": ("rerank", "inference"),
}
CACHE_KEYS = {
    "cache_read": ("cacheReadInputTokens", "cachedPromptTokens"),
    "cache_write": ("cacheCreationInputTokens", "cacheWriteInputTokens"),
}


def _role(span: SpanView, found: Found) -> Role | None:
    """Only the innermost span is a call: the outer ones repeat its usage, added up."""
    operation = str(found.get("operation_id"))
    leaf = LEAVES.get(operation.rsplit(".", 1)[-1]) or ROOT_LEAVES.get(operation)
    if leaf is not None:
        return leaf[1]
    return "tool" if operation == "ai.toolCall" else "aggregate"


def _counting(span: SpanView, provider: str | None) -> Counting:
    if "ai.usage.inputTokenDetails.noCacheTokens" in span.attributes:
        return Counting(input_has_cache=True)  # version 6: inputTokens.total
    if provider in ("anthropic", "aws.bedrock"):
        return Counting(input_has_cache=False)  # up to 5: the provider's own counter
    return Counting(input_has_cache=True)


def _refine(span: SpanView, found: Found) -> None:
    operation = str(found.get("operation_id"))
    leaf = LEAVES.get(operation.rsplit(".", 1)[-1]) or ROOT_LEAVES.get(operation)
    found["operation"] = leaf[0] if leaf else operation
    found["stream"] = operation.endswith("Stream")
    for provider in mapping(found.get("provider_metadata")).values():
        if isinstance(provider, Mapping):
            _read_metadata(provider, found)
    first = found.get("first_chunk_ms")
    if isinstance(first, int | float) and first == first:
        found["time_to_first_chunk_s"] = str(first / 1000)


def _read_metadata(metadata: Mapping[str, object], found: Found) -> None:
    """Versions up to 5 tell cached tokens only here."""
    for name, spellings in CACHE_KEYS.items():
        for spelling in spellings:
            if isinstance(metadata.get(spelling), int):
                found.setdefault(name, metadata[spelling])
    if isinstance(metadata.get("serviceTier"), str):
        found.setdefault("service_tier", metadata["serviceTier"])
    gemini = metadata.get("usageMetadata")
    if isinstance(gemini, Mapping) and "promptTokenCount" in gemini:
        # Up to 5 the output of doGenerate leaves thoughts out, and nothing else tells them.
        found.update(totals(gemini))
    usage = metadata.get("usage")
    if isinstance(usage, Mapping):
        _read_metadata(usage, found)
        for name, spelling in (
            ("cache_read", "cache_read_input_tokens"),
            ("cache_write", "cache_creation_input_tokens"),
        ):
            if isinstance(usage.get(spelling), int):
                found.setdefault(name, usage[spelling])
        split = usage.get("cache_creation")
        if isinstance(split, Mapping):
            found.setdefault("cache_write_1h", split.get("ephemeral_1h_input_tokens"))


DIALECT = TableDialect(
    name="vercel_ai",
    keys={
        **GENAI,
        "operation": (),
        "operation_id": ("ai.operationId",),
        "provider": ("gen_ai.system", "ai.model.provider"),
        "request_model": ("gen_ai.request.model", "ai.model.id"),
        "response_model": ("gen_ai.response.model", "ai.response.model"),
        "response_id": ("gen_ai.response.id", "ai.response.id"),
        "input": (
            "ai.usage.inputTokens",
            "gen_ai.usage.input_tokens",
            "ai.usage.promptTokens",
            "ai.usage.tokens",
        ),
        "output": (
            "ai.usage.outputTokens",
            "gen_ai.usage.output_tokens",
            "ai.usage.completionTokens",
        ),
        "total": ("ai.usage.totalTokens",),
        "uncached": ("ai.usage.inputTokenDetails.noCacheTokens",),
        "cache_read": (
            "ai.usage.inputTokenDetails.cacheReadTokens",
            "ai.usage.cachedInputTokens",
            *GENAI["cache_read"],
        ),
        "cache_write": (
            "ai.usage.inputTokenDetails.cacheWriteTokens",
            *GENAI["cache_write"],
        ),
        "reasoning": (
            "ai.usage.outputTokenDetails.reasoningTokens",
            "ai.usage.reasoningTokens",
            *GENAI["reasoning"],
        ),
        "finish_reasons": ("gen_ai.response.finish_reasons", "ai.response.finishReason"),
        "provider_metadata": ("ai.response.providerMetadata",),
        "first_chunk_ms": ("ai.response.msToFirstChunk",),
    },
    scopes=("ai",),
    markers=("ai.operationId",),
    rank=25,
    counting=_counting,
    role=_role,
    refine=_refine,
)
