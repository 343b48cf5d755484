from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from struct import Struct
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from sqlalchemy import Engine, Select, select

from spantoll.forward.annotate import ATTRIBUTE, SpanKey
from spantoll.forward.extents import delimited
from spantoll.query.run import reading
from spantoll.records import Billed, usage_record
from spantoll.semconv.attributes import COST_AMOUNT, COST_CURRENCY, COST_SOURCE
from spantoll.storage.tables import rate

__all__ = ["UNPRICED", "notes", "told"]

UNPRICED = "spantoll.cost.unpriced"
"""Why a billed span has no price."""

NANO = 1_000_000_000
FEW_TRACES = 4
AT_ONCE = 200
"""Spans asked for in one statement, below the parameters every database takes."""

r = usage_record.c


def notes(engine: Engine, tenant: str, keys: Sequence[SpanKey]) -> Mapping[SpanKey, bytes]:
    """Encode the attributes of those spans that the ledger bills, as it holds them now.

    Raises StoreUnavailable.
    """
    found: list[Billed] = []
    ordered = sorted(keys)
    with reading(engine) as connection:
        for at in range(0, len(keys), AT_ONCE):
            some = ordered[at : at + AT_ONCE]
            found += connection.execute(_statement(tenant, some)).tuples()
    return told(found)


def told(billed: Iterable[Billed]) -> Mapping[SpanKey, bytes]:
    """Encode the attributes of billed spans."""
    return {
        (trace_id, span_id): _unpriced(reason)
        if nano is None
        # The one float that shows money: the convention has a double. Divided once, rounded right.
        else AMOUNT + DOUBLE.pack(nano / NANO) + _origin(source, price_set)
        for trace_id, span_id, nano, source, reason, price_set in billed
    }


def _statement(tenant: str, keys: Sequence[SpanKey]) -> Select[Any]:
    traces = {trace_id for trace_id, _ in keys}
    wanted = [r.tenant_id == tenant, r.trace_id.in_(traces), r.counted]
    # The index is probed for each trace with each span: worth it in few, long traces only.
    if len(traces) <= FEW_TRACES:
        wanted.append(r.span_id.in_({span_id for _, span_id in keys}))
    return (
        select(
            r.trace_id, r.span_id, r.cost_nano, r.cost_source, r.pricing_reason, rate.c.price_set
        )
        .outerjoin_from(usage_record, rate, rate.c.rate_id == r.rate_id)
        .where(*wanted)
    )


@lru_cache(maxsize=256)
def _unpriced(reason: str | None) -> bytes:
    return _attribute(UNPRICED, AnyValue(string_value=reason or "unknown"))


@lru_cache(maxsize=64)
def _origin(cost_source: str | None, price_set: str | None) -> bytes:
    source = f"spantoll/{cost_source}"
    if price_set:
        source += f"@{price_set[:12]}"
    return _attribute(COST_CURRENCY, AnyValue(string_value="USD")) + _attribute(
        COST_SOURCE, AnyValue(string_value=source)
    )


def _attribute(key: str, value: AnyValue) -> bytes:
    return delimited(ATTRIBUTE, KeyValue(key=key, value=value).SerializeToString())


DOUBLE = Struct("<d")
AMOUNT = _attribute(COST_AMOUNT, AnyValue(double_value=0.0))[: -DOUBLE.size]
"""The attribute without its last eight bytes, which are the amount: encoding each anew costs most.
A double in a oneof is written even if it is zero."""
