"""What a record is attributed to: what answers can be grouped and filtered by."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Boolean, ColumnElement, Integer, LargeBinary, String, literal

from spantoll.errors import QueryError
from spantoll.query.names import unknown
from spantoll.query.spelling import json_text
from spantoll.records.columns import usage_record
from spantoll.semconv.providers import canonical

__all__ = ["ALIASES", "ATTRIBUTE", "DIMENSIONS", "Dimension", "Value", "dimension"]

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


COLUMNS = (
    "tenant_id",
    "provider",
    "model",
    "request_model",
    "response_model",
    "operation",
    "customer_id",
    "organisation",
    "project",
    "workspace_id",
    "team",
    "user_id",
    "user_email",
    "session_id",
    "purpose",
    "task_type",
    "channel",
    "environment",
    "service_name",
    "status",
    "error_type",
    "provider_instance",
    "server_address",
    "server_port",
    "deployment",
    "deployment_type",
    "region",
    "service_tier",
    "service_tier_requested",
    "speed",
    "batch",
    "stream",
    "cache_hit",
    "finish_reasons",
    "image_size",
    "image_quality",
    "pricing_status",
    "pricing_reason",
    "cost_source",
    "usage_quality",
    "role",
    "counted",
    "counted_reason",
    "source",
    "dialect",
    "scope_name",
    "scope_version",
    "trace_id",
    "span_id",
    "response_id",
    "request_id",
)

ALIASES: Mapping[str, str] = {
    "customer": "customer_id",
    "environment_name": "environment",
    "error": "error_type",
    "organization": "organisation",
    "service": "service_name",
    "session": "session_id",
    "tenant": "tenant_id",
    "tier": "service_tier",
    "trace": "trace_id",
    "user": "user_id",
    "workspace": "workspace_id",
}


def _truth(text: str) -> bool:
    word = text.lower()
    if word not in ("true", "false", "yes", "no", "1", "0"):
        raise ValueError("write true or false")
    return word in ("true", "yes", "1")


def _integer(text: str) -> int:
    number = int(text)
    if abs(number) >= 2**63:
        raise ValueError("too large")
    return number


def _same(value: Any) -> Value:
    return value  # type: ignore[no-any-return]  # the column's own type


def _boolean(value: Any) -> Value:
    return None if value is None else bool(value)


def _hex(value: Any) -> Value:
    return None if value is None else bytes(value).hex()


def _of_column(name: str) -> Dimension:
    column = usage_record.c[name]
    if isinstance(column.type, Boolean):
        return Dimension(name, column, _truth, _boolean)
    if isinstance(column.type, LargeBinary):
        return Dimension(name, column, bytes.fromhex, _hex)
    if isinstance(column.type, Integer):
        return Dimension(name, column, _integer, _same)
    return Dimension(name, column, _provider if name == "provider" else str, _same)


def _provider(text: str) -> str:
    """Take the names people use: `bedrock` is stored as `aws.bedrock`."""
    return canonical(text) or text


DIMENSIONS: Mapping[str, Dimension] = {name: _of_column(name) for name in COLUMNS}


def dimension(name: str, *, field: str = "dimension") -> Dimension:
    """Look a dimension up by name, alias or `attr.<key>`."""
    if name.startswith(ATTRIBUTE):
        key = name.removeprefix(ATTRIBUTE)
        if not ATTRIBUTE_KEY.fullmatch(key):
            raise QueryError(f"{field} {name!r}: not an attribute key", field=field)
        expression = json_text(usage_record.c["metadata"], literal(key, String))
        return Dimension(name, expression, str, _same)
    found = DIMENSIONS.get(ALIASES.get(name, name))
    if found is None:
        raise unknown(name, field=field, allowed=(*DIMENSIONS, "attr.<key>"), aliases=ALIASES)
    return found
