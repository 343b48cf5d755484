"""Build the record of a call and its price.

Input: a `ModelCall`, and the `Priced` or `Unpriced` answer. Output: a `UsageRecord` that fits its
columns. This is the hot path: columns are picked by position, by one `itemgetter`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from operator import itemgetter

from spantoll.otlp.rules import UNTIMED
from spantoll.pricing.result import Priced, Unpriced
from spantoll.records.keys import response_key, usage_key
from spantoll.records.limits import TRUNCATED, fit_record
from spantoll.records.record import COLUMNS, UsageRecord
from spantoll.records.text import bounded_json, to_json
from spantoll.semconv.call import (
    BILLABLE_ROLES,
    Attribution,
    ModelCall,
    ReportedCost,
    Usage,
)

__all__ = [
    "DEFAULT_TENANT",
    "latency_bucket",
    "price_columns",
    "response_key",
    "to_record",
]

DEFAULT_TENANT = "default"

NANO = Decimal(1_000_000_000)
MAX_REPORTED = Decimal(2**63 - 1) / NANO
MAX_PORT = 65_535

_LN_GAMMA = math.log(1.04)

PRICE_COLUMNS = (
    "pricing_status",
    "pricing_reason",
    "cost_nano",
    "input_cost_nano",
    "output_cost_nano",
    "cache_cost_nano",
    "other_cost_nano",
    "cost_source",
    "rate_id",
    "catalogue_cost_nano",
)

_MADE_HERE = (
    "tenant_id",
    "source",
    "duration_ns",
    "received_ns",
    "counted",
    "counted_reason",
    "model",
    "response_key",
    "usage_key",
    "server_port",
    "finish_reasons",
    "metadata",
    "extra_units",
    "flaws",
    "assumptions",
    "reported_cost_nano",
    "reported_cost_source",
    "priced_ns",
    "latency_bucket",
    None,
)
"""Columns that are not simply a field of the call, and None for those that are filled later."""


def _arrange() -> itemgetter[tuple[object, ...]]:
    """Pick every column out of what `to_record` lays side by side: by name, at C speed.

    A column that is found nowhere is NULL at first: settling or re-pricing fills it.
    """
    side_by_side = (
        *_MADE_HERE,
        *PRICE_COLUMNS,
        *("started_ns" if name == "start_ns" else name for name in ModelCall._fields),
        *Usage._fields,
        *Attribution._fields,
    )
    return itemgetter(
        *(
            side_by_side.index(name if name in side_by_side or not spec.nullable else None)
            for name, spec in COLUMNS.items()
        )
    )


_columns = _arrange()
_NO_PRICE = (None,) * (len(PRICE_COLUMNS) - 2)


def to_record(
    call: ModelCall,
    answer: Priced | Unpriced,
    *,
    tenant: str,
    source: str,
    received_ns: int,
    flaws: tuple[str, ...] = (),
) -> UsageRecord:
    """Put a call and its price into the columns of a record; total, whatever the call holds.

    Text that no column can take is repaired and the flaw noted (see `fit_record`); counters and
    times are kept as they are. The receiver's tenant outranks the one a span reports. `counted`
    starts as the verdict on a record that no other is connected to: its role decides.
    """
    usage, attribution, reported = call.usage, call.attribution, call.reported_cost
    if tenant == DEFAULT_TENANT and attribution.tenant:
        tenant = attribution.tenant
    is_timed = not flaws or UNTIMED.isdisjoint(flaws)
    duration_ns = call.end_ns - call.start_ns if is_timed else None
    counted = call.role in BILLABLE_ROLES
    port = call.server_port
    metadata = None
    if attribution.metadata:
        metadata, cut = _encode_metadata(attribution.metadata)
        if cut:
            flaws = (*flaws, TRUNCATED)
    key = response_key(tenant, call.response_id)
    made_here = (
        tenant,
        source,
        duration_ns,
        received_ns,
        counted,
        "sole" if counted else call.role,
        call.response_model or call.request_model,
        key,
        _usage_key(tenant, call, duration_ns) if counted else None,
        port if port is not None and 0 < port <= MAX_PORT else None,
        ",".join(call.finish_reasons) or None,
        metadata,
        to_json(usage.extra) if usage.extra else None,
        ",".join(flaws) or None,
        _encode_assumptions(call.assumptions),
        _to_nano(reported) if reported is not None else None,
        reported.source if reported is not None else None,
        received_ns if type(answer) is Priced else None,
        latency_bucket(duration_ns) if duration_ns is not None else None,
        None,
    )
    side_by_side = made_here + price_columns(answer) + call + usage + attribution
    return fit_record(tuple.__new__(UsageRecord, _columns(side_by_side)))


def price_columns(answer: Priced | Unpriced) -> tuple[object, ...]:
    """Return the values of PRICE_COLUMNS, in their order."""
    if type(answer) is Priced:
        rate = answer.rate
        return (
            answer.status,
            answer.reason,
            answer.cost_nano,
            answer.input_nano,
            answer.output_nano,
            answer.cache_nano,
            answer.other_nano,
            answer.source,
            rate.rate_id if rate is not None else None,
            answer.catalogue_nano,
        )
    reason, detail = answer[0], answer[1]
    text = f"{reason}: {detail}" if detail else reason
    return ("unpriced", text, *_NO_PRICE)


def _usage_key(tenant: str, call: ModelCall, duration_ns: int | None) -> int:
    return usage_key(
        call.usage,
        tenant=tenant,
        trace_id=call.trace_id,
        end_ns=call.start_ns + (duration_ns or 0),
        provider=call.provider,
        has_extra=bool(call.usage.extra),
        status=call.status,
        request_model=call.request_model,
    )


def latency_bucket(duration_ns: int) -> int:
    """Number the logarithmic bucket of a duration, 4 % wide: percentiles within 2 %."""
    ms = duration_ns / 1_000_000
    return math.ceil(math.log(ms) / _LN_GAMMA) if ms > 1 else 0


MAX_METADATA = 256
"""Metadata whose JSON is remembered: without any of its own a call has that of its resource."""

_metadata: dict[int, tuple[Mapping[str, object], tuple[str, bool]]] = {}


def _encode_metadata(metadata: Mapping[str, object]) -> tuple[str, bool]:
    """Encode as `bounded_json`; the same object, which nothing changes, is encoded once."""
    known = _metadata.get(id(metadata))
    if known is not None and known[0] is metadata:
        return known[1]
    encoded = bounded_json(metadata)
    if len(_metadata) >= MAX_METADATA:
        _metadata.clear()
    _metadata[id(metadata)] = (metadata, encoded)
    return encoded


@lru_cache(maxsize=4096)
def _encode_assumptions(assumptions: tuple[str, ...]) -> str | None:
    return to_json(assumptions) if assumptions else None


def _to_nano(reported: ReportedCost) -> int | None:
    """Convert a reported cost to nano-USD; None where it is in another currency."""
    amount = reported.amount
    if reported.currency.upper() != "USD" or not amount.is_finite() or abs(amount) > MAX_REPORTED:
        return None
    return int((amount * NANO).to_integral_value(rounding=ROUND_HALF_EVEN))
