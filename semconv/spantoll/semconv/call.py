"""The vocabulary: one normalised model call, its usage, its attribution.

Every dialect is read into these values, and prices and records are made from them. Totals are
inclusive as OpenTelemetry defines them; None is unknown, never zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, NamedTuple

__all__ = [
    "BILLABLE_ROLES",
    "Attribution",
    "ModelCall",
    "Operation",
    "ReportedCost",
    "Role",
    "Status",
    "Usage",
    "UsageQuality",
]

Role = Literal["inference", "embedding", "media", "aggregate", "tool", "fetch"]
"""What a GenAI span stands for. Only the first three can be billed on their own evidence; an
`aggregate` (agent, workflow, chain) repeats its children and is billed only where no child reports
usage."""

BILLABLE_ROLES: frozenset[Role] = frozenset({"inference", "embedding", "media"})

Status = Literal["success", "error", "timeout", "cancelled"]

UsageQuality = Literal["exact", "assumed", "estimated", "partial", "inconsistent", "missing"]
"""How far the counters can be trusted.

exact: declared by the dialect or proved by arithmetic. assumed: the dialect is unknown and nothing
decides whether input contains cached tokens. estimated: the emitter guessed. partial: a stream was
abandoned, so output is a lower bound. inconsistent: the numbers contradict each other and are kept
as they came. missing: the provider's usage never reached the span.
"""

Operation = str
"""A `gen_ai.operation.name` of the convention (chat, generate_content, text_completion, embeddings,
invoke_agent, execute_tool, fetch_response ...) or, where it has none: image_generation, speech,
transcription, rerank, moderation."""


class Usage(NamedTuple):
    """What one model call consumed; None is unknown, never zero.

    Totals are inclusive as OpenTelemetry defines them: `input_tokens` contains cache reads, cache
    writes, audio and image tokens; `output_tokens` contains reasoning, audio and image tokens;
    `cache_write_tokens` contains its one-hour part.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    reasoning_tokens: int | None = None
    input_audio_tokens: int | None = None
    output_audio_tokens: int | None = None
    input_image_tokens: int | None = None
    output_image_tokens: int | None = None
    images: int | None = None
    audio_ms: int | None = None
    video_ms: int | None = None
    characters: int | None = None
    requests: int = 1
    extra: Mapping[str, int | Decimal] | None = None
    """Any other unit by name: web_searches, file_searches, pages, search_units ..."""


class ReportedCost(NamedTuple):
    """A cost somebody else computed: a hint unless `source` is the provider or gateway itself."""

    amount: Decimal
    currency: str
    source: str
    """provider (the bill's own number), gateway, or instrumentation (its own price table)."""


class Attribution(NamedTuple):
    """The customer, project, user and so on that a call is attributed to."""

    tenant: str | None = None
    customer_id: str | None = None
    organisation: str | None = None
    project: str | None = None
    workspace_id: str | None = None
    team: str | None = None
    user_id: str | None = None
    user_email: str | None = None
    session_id: str | None = None
    purpose: str | None = None
    task_type: str | None = None
    channel: str | None = None
    environment: str | None = None
    service_name: str | None = None
    metadata: Mapping[str, str | int | float | bool] | None = None
    """Allow-listed attributes without a field of their own; never content, never headers."""


class ModelCall(NamedTuple):
    """One GenAI span, in one vocabulary for all instrumentations."""

    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes | None
    start_ns: int
    end_ns: int
    """UTC nanoseconds since the epoch; `end_ns >= start_ns`."""
    role: Role
    operation: Operation | None
    provider: str | None
    """Canonical `gen_ai.provider.name`; see `providers.canonical`."""
    provider_raw: str | None
    request_model: str | None
    response_model: str | None
    response_id: str | None
    usage: Usage
    attribution: Attribution
    status: Status
    error_type: str | None
    error_message: str | None
    dialect: str
    scope_name: str
    scope_version: str
    usage_quality: UsageQuality
    assumptions: tuple[str, ...]
    """Which rules read the numbers, in words a person can check; part of `spantoll explain`."""
    provider_instance: str | None = None
    server_address: str | None = None
    server_port: int | None = None
    stream: bool | None = None
    finish_reasons: tuple[str, ...] = ()
    time_to_first_chunk_ns: int | None = None
    service_tier_requested: str | None = None
    service_tier: str | None = None
    """The tier that served the call, which is the one that is billed."""
    speed: str | None = None
    batch: bool = False
    region: str | None = None
    deployment: str | None = None
    deployment_type: str | None = None
    image_size: str | None = None
    image_quality: str | None = None
    cache_hit: bool | None = None
    """The application's or gateway's own response cache answered: nothing was called."""
    reported_cost: ReportedCost | None = None
    request_id: str | None = None
    data_residency: str | None = None
    """Where the provider was asked to keep inference or data: `us`, `eu` (`inference_geo` too)."""
    endpoint_scope: str | None = None
    """`global`, `regional`, `multi_region` or `geographic`: the kind of endpoint or profile."""
    speed_requested: str | None = None
    search_context_size: str | None = None
    """How much a search tool was asked to read: low, medium or high."""
