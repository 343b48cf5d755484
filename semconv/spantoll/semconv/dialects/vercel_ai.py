"""Vercel's AI SDK, versions 3 to 6: only the innermost span (`doGenerate`, `doStream`) is a call.

The outer spans repeat its usage, added up. Version 7 writes the GenAI convention and is read by
`otel` (packages/ai).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from spantoll.semconv.call import Role
from spantoll.semconv.dialect import SpanView
from spantoll.semconv.fields import Found
from spantoll.semconv.genai import GENAI
from spantoll.semconv.provider_usage import (
    add_missing,
    make_paths,
    read_billed_cost,
    read_paths,
    read_totals,
)
from spantoll.semconv.table import TableDialect
from spantoll.semconv.usage import CACHE_APART, Counting
from spantoll.semconv.values import mapping

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
OPERATION = "ai.operationId"
PASSING_ON = frozenset({"gcp.vertex_ai", "azure.ai.inference", "vercel_ai_gateway"})
PASSED_ON = re.compile(r"(?:anthropic/|amazon/)|claude-")
"""Models whose own counters, which leave cached tokens out, others than their makers pass on."""
METADATA = make_paths(
    {
        "cache_read": ("cacheReadInputTokens", "cachedPromptTokens"),
        "cache_write": ("cacheCreationInputTokens", "cacheWriteInputTokens"),
    },
    owner="dialect vercel_ai",
)
METADATA_USAGE = make_paths(
    {
        "cache_read": ("cache_read_input_tokens",),
        "cache_write": ("cache_creation_input_tokens",),
        "cache_write_1h": ("cache_creation.ephemeral_1h_input_tokens",),
        "service_tier": ("service_tier",),
        "speed": ("speed",),
        "data_residency": ("inference_geo",),
    },
    owner="dialect vercel_ai",
)


def _decide_role(span: SpanView, found: Found) -> Role | None:
    """Only the innermost span is a call: the outer ones repeat its usage, added up."""
    operation = str(span.attributes.get(OPERATION))
    leaf = LEAVES.get(operation.rsplit(".", 1)[-1]) or ROOT_LEAVES.get(operation)
    if leaf is not None:
        return leaf[1]
    return "tool" if operation == "ai.toolCall" else "aggregate"


def _declare_counting(span: SpanView, provider: str | None) -> Counting:
    if "ai.usage.inputTokenDetails.noCacheTokens" in span.attributes:
        return Counting(input_has_cache=True)  # version 6: inputTokens.total
    if provider in CACHE_APART or (
        provider in PASSING_ON and PASSED_ON.match(str(span.attributes.get("ai.model.id")))
    ):
        return Counting(input_has_cache=False)  # up to 5: the provider's own counter
    return Counting(input_has_cache=True)


def _refine(span: SpanView, found: Found) -> None:
    operation = str(span.attributes.get(OPERATION))
    leaf = LEAVES.get(operation.rsplit(".", 1)[-1]) or ROOT_LEAVES.get(operation)
    found["operation"] = leaf[0] if leaf else operation
    found["stream"] = operation.endswith("Stream")
    metadata = mapping(span.attributes.get("ai.response.providerMetadata"))
    for provider in metadata.values():
        if isinstance(provider, Mapping):
            _read_metadata(provider, found)
    gateway = metadata.get("gateway")
    if isinstance(gateway, Mapping) and gateway.get("cost") is not None:
        # What Vercel's gateway charges: 0 with a key of one's own.
        found["cost"], found["cost_source"] = gateway["cost"], "gateway"
    first_chunk_ms = span.attributes.get("ai.response.msToFirstChunk")
    if isinstance(first_chunk_ms, int | float) and first_chunk_ms == first_chunk_ms:
        found["time_to_first_chunk_s"] = str(first_chunk_ms / 1000)


def _read_metadata(metadata: Mapping[str, object], found: Found) -> None:
    """Read cached tokens, which versions up to 5 report only here, and the service tier."""
    add_missing(found, read_paths(metadata, METADATA))
    if isinstance(metadata.get("serviceTier"), str):
        found.setdefault("service_tier", metadata["serviceTier"])
    gemini = metadata.get("usageMetadata")
    if isinstance(gemini, Mapping) and "promptTokenCount" in gemini:
        # Up to 5 the output of doGenerate leaves thoughts out, and no other key has them.
        found.update(read_totals(gemini))
    usage = metadata.get("usage")
    if isinstance(usage, Mapping):
        add_missing(found, read_paths(usage, METADATA))
        add_missing(found, read_paths(usage, METADATA_USAGE))
        cost = read_billed_cost(usage)
        if cost is not None:
            # OpenRouter's own number; the SDK computes none.
            found["cost"], found["cost_source"] = cost, "provider"


DIALECT = TableDialect(
    name="vercel_ai",
    keys={
        **GENAI,
        "operation": (),
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
    },
    scopes=("ai",),
    markers=(OPERATION,),
    rank=25,
    counting=_declare_counting,
    role=_decide_role,
    refine=_refine,
)
