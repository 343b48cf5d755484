"""Cost attributes of billed spans, encoded: from the ledger, or from what was just committed.

`gen_ai.usage.cost.*` hold the amount in USD with its source, `spantoll.cost.state` how sure it is
and `spantoll.cost.reason` why; a billed span without a price has these two alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from struct import Struct
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from sqlalchemy import Engine, Select, select

from spantoll.forward.annotate import ATTRIBUTE, SpanKey
from spantoll.forward.extents import encode_field
from spantoll.query import COST_STATES
from spantoll.query.run import reading
from spantoll.records import Billed, usage_record
from spantoll.semconv.attributes import COST_AMOUNT, COST_CURRENCY, COST_SOURCE
from spantoll.storage.tables import rate

__all__ = ["REASON", "STATE", "encode_cost_attributes", "read_cost_attributes"]

STATE = "spantoll.cost.state"
"""Attribute: exact, free, estimated, partial or unpriced."""
REASON = "spantoll.cost.reason"
"""Attribute: why the cost is in that state, where there is something to say."""

NANO = 1_000_000_000
FEW_TRACES = 4
"""Up to so many traces in one statement, their span ids are in the condition too."""
STATEMENT_SPANS = 200
"""Spans of one statement, below the number of parameters that every database takes."""

r = usage_record.c


def read_cost_attributes(
    engine: Engine, tenant: str, keys: Sequence[SpanKey]
) -> Mapping[SpanKey, bytes]:
    """Encode the attributes of those spans that the ledger bills, as it holds them now.

    Raises StoreUnavailable.
    """
    found: list[Billed] = []
    ordered = sorted(keys)
    with reading(engine) as connection:
        for start in range(0, len(keys), STATEMENT_SPANS):
            some = ordered[start : start + STATEMENT_SPANS]
            found += connection.execute(_select_billed(tenant, some)).tuples()
    return encode_cost_attributes(found)


def encode_cost_attributes(billed: Iterable[Billed]) -> Mapping[SpanKey, bytes]:
    """Encode the attributes of billed spans."""
    return {
        (trace_id, span_id): _encode_state(status, reason)
        if nano is None
        # A float, because the attribute is a double: one division, correctly rounded (IEEE 754).
        else AMOUNT
        + DOUBLE.pack(nano / NANO)
        + _encode_origin(source, price_set)
        + _encode_state(status, reason)
        for trace_id, span_id, nano, source, status, reason, price_set in billed
    }


def _select_billed(tenant: str, keys: Sequence[SpanKey]) -> Select[Any]:
    traces = {trace_id for trace_id, _ in keys}
    wanted = [r.tenant_id == tenant, r.trace_id.in_(traces), r.counted]
    # The database looks each pair of trace and span up in the index: good for few, long traces.
    if len(traces) <= FEW_TRACES:
        wanted.append(r.span_id.in_({span_id for _, span_id in keys}))
    return (
        select(
            r.trace_id,
            r.span_id,
            r.cost_nano,
            r.cost_source,
            r.pricing_status,
            r.pricing_reason,
            rate.c.price_set,
        )
        .outerjoin_from(usage_record, rate, rate.c.rate_id == r.rate_id)
        .where(*wanted)
    )


@lru_cache(maxsize=256)
def _encode_state(status: str, reason: str | None) -> bytes:
    state = _encode_attribute(STATE, AnyValue(string_value=COST_STATES[status]))
    if not reason:
        return state
    return state + _encode_attribute(REASON, AnyValue(string_value=reason))


@lru_cache(maxsize=64)
def _encode_origin(cost_source: str | None, price_set: str | None) -> bytes:
    source = f"spantoll/{cost_source}"
    if price_set:
        source += f"@{price_set[:12]}"
    return _encode_attribute(COST_CURRENCY, AnyValue(string_value="USD")) + _encode_attribute(
        COST_SOURCE, AnyValue(string_value=source)
    )


def _encode_attribute(key: str, value: AnyValue) -> bytes:
    return encode_field(ATTRIBUTE, KeyValue(key=key, value=value).SerializeToString())


DOUBLE = Struct("<d")
AMOUNT = _encode_attribute(COST_AMOUNT, AnyValue(double_value=0.0))[: -DOUBLE.size]
"""The attribute without its last eight bytes, which are the amount: encoding each anew costs most.
A double in a oneof is written even if it is zero."""
