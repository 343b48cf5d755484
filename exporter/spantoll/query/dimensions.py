"""What answers can be grouped and filtered by.

Input: the name of a dimension. Output: a `Dimension`: a column declared as one in
`records/record.py`, an attribute of the JSON column `metadata`, or an owner by the owner map.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple, get_args

from sqlalchemy import Boolean, ColumnElement, Integer, LargeBinary

from spantoll.errors import QueryError
from spantoll.pricing import PricingStatus
from spantoll.query.names import make_unknown_name_error
from spantoll.query.owners import OWNERS
from spantoll.records.column_spec import Unit
from spantoll.records.columns import usage_record
from spantoll.records.record import COLUMNS
from spantoll.semconv.call import Role, Status, UsageQuality
from spantoll.semconv.providers import canonical
from spantoll.storage.json_values import attribute_text

__all__ = [
    "ALIASES",
    "ATTRIBUTE",
    "DIMENSIONS",
    "NUMBERS",
    "NUMBER_ALIASES",
    "Dimension",
    "Value",
    "find_dimension",
    "find_field",
]

Value = str | bool | int | None

ATTRIBUTE = "attr."
"""`attr.<key>`: an allow-listed attribute that has no column of its own."""

ATTRIBUTE_KEY = re.compile(r"[^\"\\\x00-\x1f]{1,128}")


class Dimension(NamedTuple):
    """One property of a record; `read` takes the text of a filter, `show` a database value."""

    name: str
    expression: ColumnElement[Any]
    read: Callable[[str], Any]
    show: Callable[[Any], Value]
    allowed: tuple[str, ...] = ()
    """All values that are ever stored, where these are a fixed list."""


ALIASES: Mapping[str, str] = {
    "cost_centre": "owner_cost_centre",
    "customer": "customer_id",
    "emitter": "scope_name",
    "environment_name": "environment",
    "error": "error_type",
    "organization": "organisation",
    "owner": "owner_team",
    "price_status": "pricing_status",
    "service": "service_name",
    "session": "session_id",
    "tenant": "tenant_id",
    "tier": "service_tier",
    "trace": "trace_id",
    "user": "user_id",
    "workspace": "workspace_id",
}


def _read_boolean(text: str) -> bool:
    lower = text.lower()
    if lower not in ("true", "false", "yes", "no", "1", "0"):
        raise ValueError("write true or false")
    return lower in ("true", "yes", "1")


def _read_integer(text: str) -> int:
    number = int(text)
    if abs(number) >= 2**63:
        raise ValueError("too large")
    return number


def _read_provider(text: str) -> str:
    """Take the names people use: `bedrock` is stored as `aws.bedrock`."""
    return canonical(text) or text


def _read_status(text: str) -> str:
    """Take the name of a state: `exact` is stored as `priced`."""
    return "priced" if text == "exact" else text


def _show_unchanged(value: Any) -> Value:
    return value  # type: ignore[no-any-return]  # the column's own type


def _show_boolean(value: Any) -> Value:
    return None if value is None else bool(value)


def _show_hex(value: Any) -> Value:
    return None if value is None else bytes(value).hex()


def _make_dimension(name: str) -> Dimension:
    column = usage_record.c[name]
    if isinstance(column.type, Boolean):
        return Dimension(name, column, _read_boolean, _show_boolean)
    if isinstance(column.type, LargeBinary):
        return Dimension(name, column, bytes.fromhex, _show_hex)
    if isinstance(column.type, Integer):
        return Dimension(name, column, _read_integer, _show_unchanged)
    return Dimension(
        name, column, READERS.get(name, str), _show_unchanged, FIXED_VALUES.get(name, ())
    )


FIXED_VALUES: Mapping[str, tuple[str, ...]] = {
    "pricing_status": get_args(PricingStatus),
    "role": get_args(Role),
    "status": get_args(Status),
    "usage_quality": get_args(UsageQuality),
}

READERS: Mapping[str, Callable[[str], Any]] = {
    "provider": _read_provider,
    "pricing_status": _read_status,
}
"""How the text of a filter is read where it is not taken as it is."""

DIMENSIONS: Mapping[str, Dimension] = {
    name: _make_dimension(name) for name, spec in COLUMNS.items() if spec.dimension
} | {name: Dimension(name, expression, str, _show_unchanged) for name, expression in OWNERS.items()}


def _read_scaled(unit: Unit) -> Callable[[str], int]:
    """Read a number in the unit of answers as the integer that is stored, exactly."""

    def read(text: str) -> int:
        try:
            number = Decimal(text) * SCALES.get(unit, 1)
        except InvalidOperation:
            raise ValueError("write a number") from None
        if not number.is_finite() or abs(number) >= 2**63:
            raise ValueError("too large")
        if number != number.to_integral_value():
            raise ValueError("more digits than are stored")
        return int(number)

    return read


SCALES: Mapping[Unit, int] = {
    Unit.NANO_USD: 10**9,
    Unit.DURATION_NS: 10**6,
    Unit.MILLISECONDS: 10**3,
}
"""Stored units in one unit of answers."""

NUMBERS: Mapping[str, Dimension] = {
    spec.outside: Dimension(
        spec.outside, usage_record.c[name], _read_scaled(spec.unit), _show_unchanged
    )
    for name, spec in COLUMNS.items()
    if spec.unit is not None and spec.unit is not Unit.TIME_NS
}
"""What can be filtered by, but not grouped: tokens, money, durations, in the unit of the name."""


NUMBER_ALIASES: Mapping[str, str] = {
    "cached_tokens": "cache_read_tokens",
    "completion_tokens": "output_tokens",
    "cost": "cost_usd",
    "latency": "latency_ms",
    "prompt_tokens": "input_tokens",
    "reported_cost": "reported_cost_usd",
    "revenue": "revenue_usd",
    "time_to_first_chunk": "time_to_first_chunk_ms",
}
"""Short names of numbers, as measures have them."""


def find_field(name: str) -> Dimension:
    """Look up what a filter names: a dimension, or a number."""
    number = NUMBERS.get(NUMBER_ALIASES.get(name, name))
    return find_dimension(name, field="filter") if number is None else number


def find_dimension(name: str, *, field: str = "dimension") -> Dimension:
    """Look a dimension up by name, alias or `attr.<key>`."""
    if name.startswith(ATTRIBUTE):
        key = name.removeprefix(ATTRIBUTE)
        if not ATTRIBUTE_KEY.fullmatch(key):
            raise QueryError(f"{field} {name!r}: not an attribute key", field=field)
        expression = attribute_text(usage_record.c["metadata"], key)
        return Dimension(name, expression, str, _show_unchanged)
    found = DIMENSIONS.get(ALIASES.get(name, name))
    if found is None:
        numbers = NUMBERS if field == "filter" else ()
        raise make_unknown_name_error(
            name, field=field, allowed=(*DIMENSIONS, *numbers, "attr.<key>"), aliases=ALIASES
        )
    return found
