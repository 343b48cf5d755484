from __future__ import annotations

from typing import Annotated, NamedTuple

from sqlalchemy import BigInteger, Boolean, Integer, LargeBinary, SmallInteger, String, Text

__all__ = ["Billed", "UsageRecord"]

Billed = tuple[bytes, bytes, int | None, str | None, str | None, str | None]
"""What a billed span cost: trace id, span id, cost in nano-USD, where that comes from, why there is
none, the price list."""

Key16 = Annotated[bytes, LargeBinary(16)]
Key8 = Annotated[bytes, LargeBinary(8)]
Count = Annotated[int | None, BigInteger]
Nano = Annotated[int | None, BigInteger]
Time = Annotated[int, BigInteger]
T16 = Annotated[str | None, String(16)]
T32 = Annotated[str | None, String(32)]
T64 = Annotated[str | None, String(64)]
T128 = Annotated[str | None, String(128)]
T191 = Annotated[str | None, String(191)]
T254 = Annotated[str | None, String(254)]
T1024 = Annotated[str | None, String(1024)]
Json = Annotated[str | None, Text]


class UsageRecord(NamedTuple):
    """One priced GenAI span, in the order of the columns of `usage_record`.

    Written once: the table is built from these annotations. Times are UTC nanoseconds, money is
    integer nano-USD, token counters are inclusive as in `semconv.Usage`, and None is unknown.
    """

    tenant_id: Annotated[str, String(64)]
    trace_id: Key16
    span_id: Key8
    parent_span_id: Annotated[bytes | None, LargeBinary(8)]
    source: Annotated[str, String(16)]
    """otlp_trace, otlp_log, exporter, rest, import."""
    started_ns: Time
    duration_ns: Annotated[int | None, BigInteger]
    time_to_first_chunk_ns: Annotated[int | None, BigInteger]
    received_ns: Time
    role: Annotated[str, String(16)]
    counted: Annotated[bool, Boolean]
    counted_reason: T32
    """Why it is or is not counted: sole, aggregate, tool, fetch, repeats ..."""
    repeats_span: Annotated[bytes | None, LargeBinary(24)]
    """trace_id + span_id of the counted record this one repeats."""
    operation: T64
    provider: T64
    provider_raw: T64
    provider_instance: T128
    model: T191
    """The response model, else the requested one: what reports group by."""
    request_model: T191
    response_model: T191
    response_id: T191
    response_key: Annotated[int | None, BigInteger]
    """Signed 64-bit hash of (tenant, response id), see `response_key`: a small index, and a hint,
    never an identity."""
    twin_key: Annotated[int | None, BigInteger]
    """What two spans of one call have in common when no id does, see `twin_key`."""
    request_id: T128
    server_address: T254
    server_port: Annotated[int | None, Integer]
    deployment: T128
    deployment_type: T32
    region: T64
    service_tier_requested: T32
    service_tier: T32
    speed: T16
    batch: Annotated[bool, Boolean]
    stream: Annotated[bool | None, Boolean]
    cache_hit: Annotated[bool | None, Boolean]
    finish_reasons: T128
    """Comma separated."""
    status: Annotated[str, String(16)]
    error_type: T128
    error_message: T1024
    customer_id: T128
    organisation: T191
    project: T128
    workspace_id: T128
    team: T128
    user_id: T128
    user_email: T254
    session_id: T128
    purpose: T64
    task_type: T64
    channel: T64
    environment: T64
    service_name: T128
    metadata: Json
    input_tokens: Count
    output_tokens: Count
    cache_read_tokens: Count
    cache_write_tokens: Count
    cache_write_1h_tokens: Count
    reasoning_tokens: Count
    input_audio_tokens: Count
    output_audio_tokens: Count
    input_image_tokens: Count
    output_image_tokens: Count
    images: Count
    image_size: T32
    image_quality: T16
    audio_ms: Count
    video_ms: Count
    characters: Count
    requests: Annotated[int, BigInteger]
    extra_units: Json
    usage_quality: Annotated[str, String(16)]
    flaws: T254
    """Comma separated: what was repaired while decoding."""
    dialect: Annotated[str, String(32)]
    scope_name: T128
    scope_version: T32
    assumptions: Json
    pricing_status: Annotated[str, String(16)]
    pricing_reason: T254
    cost_nano: Nano
    input_cost_nano: Nano
    output_cost_nano: Nano
    cache_cost_nano: Nano
    other_cost_nano: Nano
    cost_source: T16
    rate_id: Annotated[int | None, BigInteger]
    reported_cost_nano: Nano
    reported_cost_source: T32
    catalogue_cost_nano: Nano
    """What the price list says where `cost_nano` is a reported cost."""
    priced_ns: Annotated[int | None, BigInteger]
    revenue_nano: Nano
    markup_ppm: Annotated[int | None, Integer]
    customer_price_id: Annotated[int | None, BigInteger]
    latency_bucket: Annotated[int | None, SmallInteger]
    """ceil(ln(milliseconds) / ln 1.04): percentiles by `SUM(n) GROUP BY bucket` on any database."""
