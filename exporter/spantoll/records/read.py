"""Read a record back as the call it was made of.

Input: a stored `UsageRecord`. Output: a `ModelCall` with all that a price depends on, so that a
stored record can be priced and explained again.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson

from spantoll.records.record import UsageRecord
from spantoll.semconv.call import Attribution, ModelCall, ReportedCost, Usage

__all__ = ["to_call"]

_SAME_NAME = [name for name in ModelCall._fields if name in UsageRecord._fields]
_USAGE = [name for name in Usage._fields if name in UsageRecord._fields]
_ATTRIBUTION = [name for name in Attribution._fields if name in UsageRecord._fields]


def to_call(record: UsageRecord) -> ModelCall:
    """Read a record back as the call it was made of: all that a price depends on, and identity.

    A reported cost comes back in USD or not at all.
    """
    return ModelCall(
        **_select_fields(record, _SAME_NAME)
        | {
            "start_ns": record.started_ns,
            "end_ns": record.started_ns + (record.duration_ns or 0),
            "usage": Usage(**_select_fields(record, _USAGE), extra=_read_extra_units(record)),
            "attribution": _read_attribution(record),
            "assumptions": tuple(orjson.loads(record.assumptions)) if record.assumptions else (),
            "finish_reasons": tuple(record.finish_reasons.split(","))
            if record.finish_reasons
            else (),
            "scope_name": record.scope_name or "",
            "scope_version": record.scope_version or "",
            "reported_cost": _read_reported_cost(record),
        }
    )


def _select_fields(record: UsageRecord, names: list[str]) -> dict[str, Any]:
    return {name: getattr(record, name) for name in names}


def _read_attribution(record: UsageRecord) -> Attribution:
    metadata = orjson.loads(record.metadata) if record.metadata else None
    return Attribution(
        **_select_fields(record, _ATTRIBUTION) | {"tenant": record.tenant_id, "metadata": metadata}
    )


def _read_extra_units(record: UsageRecord) -> dict[str, int | Decimal] | None:
    if not record.extra_units:
        return None
    return {
        unit: quantity if isinstance(quantity, int) else Decimal(str(quantity))
        for unit, quantity in orjson.loads(record.extra_units).items()
    }


def _read_reported_cost(record: UsageRecord) -> ReportedCost | None:
    if record.reported_cost_nano is None:
        return None
    amount = Decimal(record.reported_cost_nano).scaleb(-9)
    return ReportedCost(amount, "USD", record.reported_cost_source or "")
