from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from typing import cast

import orjson

from spantoll.pricing.result import Priced, Unpriced
from spantoll.records.limits import fit
from spantoll.records.record import UsageRecord
from spantoll.semconv.call import (
    BILLABLE_ROLES,
    Attribution,
    ModelCall,
    ReportedCost,
    Role,
    Status,
    Usage,
    UsageQuality,
)

__all__ = ["latency_bucket", "price_columns", "response_key", "to_call", "to_record"]

NANO = Decimal(1_000_000_000)
MAX_INT64 = 2**63 - 1

_LN_GAMMA = math.log(1.04)


def to_record(
    call: ModelCall,
    answer: Priced | Unpriced,
    *,
    tenant: str,
    source: str,
    received_ns: int,
    flaws: tuple[str, ...] = (),
) -> UsageRecord:
    """Put a call and its price into the columns of a record.

    Text longer than its column is cut and the flaw `truncated` added; numbers are kept as they are.
    """
    usage, whom = call.usage, call.attribution
    tenant = whom.tenant or tenant
    duration_ns = call.end_ns - call.start_ns
    priced = price_columns(call, answer)
    counted = call.role in BILLABLE_ROLES
    return fit(
        UsageRecord(
            tenant,
            call.trace_id,
            call.span_id,
            call.parent_span_id,
            source,
            call.start_ns,
            duration_ns,
            call.time_to_first_chunk_ns,
            received_ns,
            call.role,
            counted,
            "counted" if counted else call.role,
            None,
            call.operation,
            call.provider,
            call.provider_raw,
            call.provider_instance,
            call.response_model or call.request_model,
            call.request_model,
            call.response_model,
            call.response_id,
            response_key(tenant, call.response_id),
            call.request_id,
            call.server_address,
            call.server_port,
            call.deployment,
            call.deployment_type,
            call.region,
            call.service_tier_requested,
            call.service_tier,
            call.speed,
            call.batch,
            call.stream,
            call.cache_hit,
            ",".join(call.finish_reasons) or None,
            call.status,
            call.error_type,
            call.error_message,
            whom.customer_id,
            whom.organisation,
            whom.project,
            whom.workspace_id,
            whom.team,
            whom.user_id,
            whom.user_email,
            whom.session_id,
            whom.purpose,
            whom.task_type,
            whom.channel,
            whom.environment,
            whom.service_name,
            _json(whom.metadata),
            usage.input_tokens,
            usage.output_tokens,
            usage.cache_read_tokens,
            usage.cache_write_tokens,
            usage.cache_write_1h_tokens,
            usage.reasoning_tokens,
            usage.input_audio_tokens,
            usage.output_audio_tokens,
            usage.input_image_tokens,
            usage.output_image_tokens,
            usage.images,
            call.image_size,
            call.image_quality,
            usage.audio_ms,
            usage.video_ms,
            usage.characters,
            usage.requests,
            _json(usage.extra),
            call.usage_quality,
            ",".join(flaws) or None,
            call.dialect,
            call.scope_name,
            call.scope_version,
            _assumptions(call.assumptions),
            *priced,
            received_ns,
            None,
            None,
            None,
            latency_bucket(duration_ns),
        )
    )


def price_columns(
    call: ModelCall, answer: Priced | Unpriced
) -> tuple[
    str,
    str | None,
    int | None,
    int | None,
    int | None,
    int | None,
    int | None,
    str | None,
    int | None,
    int | None,
    str | None,
]:
    """The columns from `pricing_status` to `reported_cost_source`, in order."""
    reported = call.reported_cost
    reported_nano = _nano(reported) if reported is not None else None
    reported_source = reported.source if reported is not None else None
    if type(answer) is Priced:
        return (
            answer.status,
            answer.reason,
            answer.cost_nano,
            answer.input_nano,
            answer.output_nano,
            answer.cache_nano,
            answer.other_nano,
            answer.source,
            answer.rate.rate_id if answer.rate is not None else None,
            reported_nano,
            reported_source,
        )
    reason = cast("Unpriced", answer)
    text = f"{reason.reason}: {reason.detail}" if reason.detail else reason.reason
    return (
        "unpriced",
        text,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        reported_nano,
        reported_source,
    )


def to_call(record: UsageRecord) -> ModelCall:
    """Read a record back as the call it was made of: all that a price depends on, and identity."""
    extra = orjson.loads(record.extra_units) if record.extra_units else None
    metadata = orjson.loads(record.metadata) if record.metadata else None
    reported = None
    if record.reported_cost_nano is not None:
        amount = Decimal(record.reported_cost_nano) / NANO
        reported = ReportedCost(amount, "USD", record.reported_cost_source or "")
    usage = Usage(
        record.input_tokens,
        record.output_tokens,
        record.cache_read_tokens,
        record.cache_write_tokens,
        record.cache_write_1h_tokens,
        record.reasoning_tokens,
        record.input_audio_tokens,
        record.output_audio_tokens,
        record.input_image_tokens,
        record.output_image_tokens,
        record.images,
        record.audio_ms,
        record.video_ms,
        record.characters,
        record.requests,
        {unit: _quantity(value) for unit, value in extra.items()} if extra else None,
    )
    whom = Attribution(
        record.tenant_id,
        record.customer_id,
        record.organisation,
        record.project,
        record.workspace_id,
        record.team,
        record.user_id,
        record.user_email,
        record.session_id,
        record.purpose,
        record.task_type,
        record.channel,
        record.environment,
        record.service_name,
        metadata,
    )
    return ModelCall(
        trace_id=record.trace_id,
        span_id=record.span_id,
        parent_span_id=record.parent_span_id,
        start_ns=record.started_ns,
        end_ns=record.started_ns + (record.duration_ns or 0),
        role=cast("Role", record.role),
        operation=record.operation,
        provider=record.provider,
        provider_raw=record.provider_raw,
        request_model=record.request_model,
        response_model=record.response_model,
        response_id=record.response_id,
        usage=usage,
        attribution=whom,
        status=cast("Status", record.status),
        error_type=record.error_type,
        error_message=record.error_message,
        dialect=record.dialect,
        scope_name=record.scope_name or "",
        scope_version=record.scope_version or "",
        usage_quality=cast("UsageQuality", record.usage_quality),
        assumptions=tuple(orjson.loads(record.assumptions)) if record.assumptions else (),
        provider_instance=record.provider_instance,
        server_address=record.server_address,
        server_port=record.server_port,
        stream=record.stream,
        finish_reasons=tuple(record.finish_reasons.split(",")) if record.finish_reasons else (),
        time_to_first_chunk_ns=record.time_to_first_chunk_ns,
        service_tier_requested=record.service_tier_requested,
        service_tier=record.service_tier,
        speed=record.speed,
        batch=record.batch,
        region=record.region,
        deployment=record.deployment,
        deployment_type=record.deployment_type,
        image_size=record.image_size,
        image_quality=record.image_quality,
        cache_hit=record.cache_hit,
        reported_cost=reported,
        request_id=record.request_id,
    )


def response_key(tenant: str, response_id: str | None) -> int | None:
    """Hash a response id to a signed 64-bit integer: a small index, and only a hint."""
    if not response_id:
        return None
    text = f"{tenant}\0{response_id}".encode(errors="replace")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little", signed=True)


def latency_bucket(duration_ns: int) -> int:
    """Number the logarithmic bucket of a duration, 4 % wide: percentiles within 2 %."""
    ms = duration_ns / 1_000_000
    return math.ceil(math.log(ms) / _LN_GAMMA) if ms > 1 else 0


@lru_cache(maxsize=4096)
def _assumptions(assumptions: tuple[str, ...]) -> str | None:
    return orjson.dumps(assumptions).decode() if assumptions else None


def _json(mapping: Mapping[str, object] | None) -> str | None:
    if not mapping:
        return None
    return orjson.dumps(mapping, default=str, option=orjson.OPT_SORT_KEYS).decode()


def _quantity(value: object) -> int | Decimal:
    return value if isinstance(value, int) else Decimal(str(value))


def _nano(reported: ReportedCost) -> int | None:
    """A reported cost in the ledger's currency; other currencies are not converted here."""
    if reported.currency.upper() != "USD" or not reported.amount.is_finite():
        return None
    nano = int((reported.amount * NANO).to_integral_value())
    return nano if abs(nano) <= MAX_INT64 else None
