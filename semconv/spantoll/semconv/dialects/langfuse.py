"""Langfuse's SDK, versions 3 to 5: observations of type `generation` and `embedding` are calls.

Usage is JSON text, either a provider's own object or Langfuse's additive buckets
(langfuse/_client/attributes.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from spantoll.semconv.call import Role
from spantoll.semconv.dialect import SpanView
from spantoll.semconv.fields import Found, convert_fields, name_fields
from spantoll.semconv.provider_usage import read_counters, read_totals
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
RAW = ("promptTokenCount", "prompt_token_count", "inputTokens")
"""Keys of a usage object of Gemini or Bedrock that somebody passed on as it is."""
MODALITY = re.compile(r"(input|output|cached)_modality_(\w+)")
"""What the handler of LangChain took out of the totals of Vertex AI, by modality."""
MODALITY_PARTS = {
    ("input", "AUDIO"): "audio_in",
    ("input", "4"): "audio_in",
    ("output", "AUDIO"): "audio_out",
    ("output", "4"): "audio_out",
    ("output", "IMAGE"): "image_out",
    ("output", "2"): "image_out",
}
"""Vertex AI's modalities, by name and by number (google.cloud.aiplatform Modality)."""
TIERS = ("flex", "priority")
"""Service tiers of OpenAI under which LangChain counts what is neither cached nor reasoning."""
METADATA_FIELDS = name_fields(
    "provider", "response_id", "finish_reasons", "team", owner="dialect langfuse"
)
"""Fields out of metadata, whose values are JSON text since version 5, plain text before."""


def _decide_role(span: SpanView, found: Found) -> Role | None:
    return ROLES.get(str(span.attributes.get(KIND)), "aggregate")


def _declare_counting(span: SpanView, provider: str | None) -> Counting:
    usage = mapping(span.attributes.get(USAGE))
    # Langfuse's own keys are additive buckets: `input` is what is left beside the cached ones.
    whole = _is_providers(usage) or _is_raw(usage)
    return Counting(input_has_cache=whole, output_has_reasoning=whole or "output" not in usage)


def _is_providers(usage: Mapping[str, object]) -> bool:
    return any(key in usage for key in PROVIDERS_OWN)


def _refine(span: SpanView, found: Found) -> None:
    attributes = span.attributes
    usage = mapping(attributes.get(USAGE))
    if _is_raw(usage):
        found.update(read_totals(usage))
    else:
        found.update(read_counters(usage))
        if not _is_providers(usage):
            _add_buckets(usage, found)
    convert_fields(found, METADATA_FIELDS, unquoted)
    if attributes.get(KIND) == "embedding":
        found["operation"] = "embeddings"
    elif attributes.get(KIND) == "generation":
        found["operation"] = "chat"
    cost = mapping(attributes.get("langfuse.observation.cost_details")).get("total")
    if _is_providers(usage) and "cost" in found:
        # OpenRouter's own number, in its usage object.
        found["cost_source"] = "provider"
    elif cost:
        found["cost"] = cost
    parameters = mapping(attributes.get("langfuse.observation.model.parameters"))
    tier = parameters.get("service_tier")
    if isinstance(tier, str):
        found.setdefault("service_tier", tier)
    if attributes.get("langfuse.observation.level") == "ERROR":
        message = attributes.get("langfuse.observation.status_message")
        found.setdefault("error_message", message)


def _is_raw(usage: Mapping[str, object]) -> bool:
    return any(key in usage for key in RAW)


def _add_buckets(usage: Mapping[str, object], found: Found) -> None:
    """Read what the handlers take out of the totals and report beside them."""
    lifetimes = (found.get("cache_write_5m"), found.get("cache_write_1h"))
    if found.get("cache_write") == 0 and any(lifetimes):
        # So LangChain reports writes of which it knows the lifetimes.
        del found["cache_write"]
    _add_audio(found)
    _add_gemini(usage, found)
    for tier in TIERS:
        if f"input_{tier}" in usage or f"output_{tier}" in usage:
            found.setdefault("service_tier", tier)
            found["input"] = usage.get(f"input_{tier}")
            found["output"] = usage.get(f"output_{tier}")
            found["cache_read"] = usage.get(f"input_{tier}_cache_read")
            found["reasoning"] = usage.get(f"output_{tier}_reasoning")


def _add_gemini(usage: Mapping[str, object], found: Found) -> None:
    """Add up Vertex AI's modalities; thoughts are beside the output, cached tokens in the input."""
    sums = {"input": 0, "output": 0, "cached": 0}
    parts: dict[str, int] = {}
    for key, value in usage.items():
        match = MODALITY.fullmatch(key)
        count = integer(value)
        if match is None or count is None:
            continue
        sums[match[1]] += count
        part = MODALITY_PARTS.get((match[1], match[2]))
        if part is not None:
            parts[part] = parts.get(part, 0) + count
    cached = sums["cached"]
    if not cached and (reported := integer(usage.get("cached_content_token_count"))):
        cached, sums["input"] = reported, sums["input"] - reported
    if cached:
        found["cache_read"] = cached
    for total in ("input", "output"):
        if sums[total]:
            found[total] = (integer(found.get(total)) or 0) + sums[total]
    found.update(parts)  # type: ignore[typeddict-item]
    if "thoughts_token_count" in usage:
        found["reasoning"] = usage["thoughts_token_count"]


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
