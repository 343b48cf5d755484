from __future__ import annotations

from collections.abc import Mapping

from spantoll.semconv.call import Role
from spantoll.semconv.dialect import SpanView
from spantoll.semconv.numbers import integer, mapping
from spantoll.semconv.provider_usage import counters
from spantoll.semconv.table import Found, TableDialect
from spantoll.semconv.usage import Counting

ROLES: dict[str, Role] = {
    "generation": "inference",
    "embedding": "embedding",
    "tool": "tool",
    "retriever": "tool",
}
PROVIDERS_OWN = ("prompt_tokens", "prompt_tokens_details", "input_tokens_details")
"""Keys of an OpenAI usage object: its input contains the cached tokens."""


def _role(span: SpanView, found: Found) -> Role | None:
    return ROLES.get(str(found.get("kind")), "aggregate")


def _counting(span: SpanView, provider: str | None) -> Counting:
    usage = mapping(span.attributes.get("langfuse.observation.usage_details"))
    # Langfuse's own keys are additive buckets: `input` is what is left beside the cached ones.
    whole = _is_providers(usage)
    return Counting(input_has_cache=whole, output_has_reasoning=whole or "output" not in usage)


def _is_providers(usage: Mapping[str, object]) -> bool:
    return any(key in usage for key in PROVIDERS_OWN)


def _refine(span: SpanView, found: Found) -> None:
    usage = mapping(found.get("usage_details"))
    found.update(counters(usage))
    if not _is_providers(usage):
        for part, total in (("audio_in", "input"), ("audio_out", "output")):
            told, beside = integer(found.get(total)), integer(found.get(part))
            if told is not None and beside:
                found[total] = told + beside
    if found.get("kind") == "embedding":
        found["operation"] = "embeddings"
    elif found.get("kind") == "generation":
        found["operation"] = "chat"
    cost = mapping(found.get("cost_details")).get("total")
    if cost:
        found["cost"] = cost
    tier = mapping(found.get("parameters")).get("service_tier")
    if isinstance(tier, str):
        found.setdefault("service_tier", tier)
    if found.get("level") == "ERROR":
        found.setdefault(
            "error_message", span.attributes.get("langfuse.observation.status_message")
        )


DIALECT = TableDialect(
    name="langfuse",
    keys={
        "kind": ("langfuse.observation.type",),
        # LangChain's own word.
        "provider": ("langfuse.observation.metadata.ls_provider",),
        "level": ("langfuse.observation.level",),
        "response_model": ("langfuse.observation.model.name",),
        "parameters": ("langfuse.observation.model.parameters",),
        "usage_details": ("langfuse.observation.usage_details",),
        "cost_details": ("langfuse.observation.cost_details",),
        "finish_reasons": ("langfuse.observation.metadata.finish_reason",),
        "response_id": ("langfuse.observation.metadata.id",),
    },
    scopes=("langfuse-sdk",),
    markers=("langfuse.observation.type",),
    rank=40,
    counting=_counting,
    role=_role,
    refine=_refine,
)
