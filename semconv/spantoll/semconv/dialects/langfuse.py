"""Langfuse's SDK, versions 3 to 5: observations of type `generation` and `embedding` are calls.

Usage is JSON text, either a provider's own object or Langfuse's additive buckets
(langfuse/_client/attributes.py).
"""

from __future__ import annotations

from collections.abc import Mapping

from spantoll.semconv.call import Role
from spantoll.semconv.dialect import SpanView
from spantoll.semconv.fields import Found, convert_fields, name_fields
from spantoll.semconv.provider_usage import read_counters
from spantoll.semconv.table import TableDialect
from spantoll.semconv.usage import Counting
from spantoll.semconv.values import integer, mapping, unquoted

ROLES: dict[str, Role] = {
    "generation": "inference",
    "embedding": "embedding",
    "tool": "tool",
    "retriever": "tool",
}
KIND = "langfuse.observation.type"
USAGE = "langfuse.observation.usage_details"
PROVIDERS_OWN = ("prompt_tokens", "prompt_tokens_details", "input_tokens_details")
"""Keys of an OpenAI usage object: its input contains the cached tokens."""
METADATA_FIELDS = name_fields(
    "provider", "response_id", "finish_reasons", "team", owner="dialect langfuse"
)
"""Fields out of metadata, whose values are JSON text since version 5, plain text before."""


def _decide_role(span: SpanView, found: Found) -> Role | None:
    return ROLES.get(str(span.attributes.get(KIND)), "aggregate")


def _declare_counting(span: SpanView, provider: str | None) -> Counting:
    usage = mapping(span.attributes.get(USAGE))
    # Langfuse's own keys are additive buckets: `input` is what is left beside the cached ones.
    whole = _is_providers(usage)
    return Counting(input_has_cache=whole, output_has_reasoning=whole or "output" not in usage)


def _is_providers(usage: Mapping[str, object]) -> bool:
    return any(key in usage for key in PROVIDERS_OWN)


def _refine(span: SpanView, found: Found) -> None:
    attributes = span.attributes
    usage = mapping(attributes.get(USAGE))
    found.update(read_counters(usage))
    if not _is_providers(usage):
        _add_audio(found)
    convert_fields(found, METADATA_FIELDS, unquoted)
    if attributes.get(KIND) == "embedding":
        found["operation"] = "embeddings"
    elif attributes.get(KIND) == "generation":
        found["operation"] = "chat"
    cost = mapping(attributes.get("langfuse.observation.cost_details")).get("total")
    if cost:
        found["cost"] = cost
    parameters = mapping(attributes.get("langfuse.observation.model.parameters"))
    tier = parameters.get("service_tier")
    if isinstance(tier, str):
        found.setdefault("service_tier", tier)
    if attributes.get("langfuse.observation.level") == "ERROR":
        message = attributes.get("langfuse.observation.status_message")
        found.setdefault("error_message", message)


def _add_audio(found: Found) -> None:
    """Add the audio tokens to the totals they are reported beside."""
    text_in, audio_in = integer(found.get("input")), integer(found.get("audio_in"))
    if text_in is not None and audio_in:
        found["input"] = text_in + audio_in
    text_out, audio_out = integer(found.get("output")), integer(found.get("audio_out"))
    if text_out is not None and audio_out:
        found["output"] = text_out + audio_out


DIALECT = TableDialect(
    name="langfuse",
    keys={
        # LangChain's own name of it.
        "provider": ("langfuse.observation.metadata.ls_provider",),
        "response_model": ("langfuse.observation.model.name",),
        "finish_reasons": ("langfuse.observation.metadata.finish_reason",),
        "response_id": ("langfuse.observation.metadata.id",),
    },
    scopes=("langfuse-sdk",),
    markers=(KIND,),
    rank=40,
    counting=_declare_counting,
    role=_decide_role,
    refine=_refine,
)
