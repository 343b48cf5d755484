"""Paths and parameters of usage trackers that SpanToll takes the place of.

Input: a request as such a tracker takes it. Output: what `/api/v1/usage/query` or `/api/v1/records`
answers to the same question, in its form. Each path is a row of ALIASES, each name of PARAMETERS;
docs/rest.md lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any, Literal, NamedTuple, get_args

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from spantoll.pipeline.usage_event import OPERATIONS
from spantoll.surfaces.rest.context import Context, Visible
from spantoll.surfaces.rest.media import MEDIA_TYPES
from spantoll.surfaces.rest.openapi import describe_formats
from spantoll.surfaces.rest.parameters import RecordParameters, UsageParameters
from spantoll.surfaces.rest.records import answer_records
from spantoll.surfaces.rest.schemas import RecordsAnswer, UsageAnswer
from spantoll.surfaces.rest.usage import answer_usage

__all__ = ["ALIASES", "PARAMETERS", "router"]

router = APIRouter(tags=["compatibility"])

Group = Literal["vendorName", "vendorModel", "vendorApiType", "day", "week", "month"]

PARAMETERS: Mapping[str, str] = {
    "apiType": "operation",
    "customerId": "customer_id",
    "days": "last",
    "endDate": "to",
    "fromDate": "from",
    "groupBy": "by",
    "interval": "window",
    "modelId": "model",
    "period": "window",
    "startDate": "from",
    "taskType": "task_type",
    "toDate": "to",
    "userId": "user_id",
    "vendorApiType": "operation",
    "vendorModel": "model",
    "vendorName": "provider",
    "workspaceId": "workspace_id",
}
"""Their names, and ours; every other name is the same."""
OWN = ("after", "format", "from", "last", "limit", "tz", "window")

PERFORMANCE = ("requests", "success_rate", "error_rate", "timeout_rate", "latency_avg_ms")
PERCENTILES = ("latency_p50_ms", "latency_p95_ms", "latency_p99_ms")
TOKENS = ("input_tokens", "output_tokens", "total_tokens")
COST = ("requests", "cost_usd")


class Alias(NamedTuple):
    """A path, and the question it stands for."""

    path: str
    takes: tuple[str, ...]
    """Parameters, in their spelling."""
    measure: tuple[str, ...] = ()
    """What is added up; nothing lists records instead."""
    by: tuple[str, ...] = ()
    window: str = "total"
    order: tuple[str, ...] = ()
    last: str | None = None
    """The period where none is given."""


DATES = ("startDate", "endDate")
FILTERS = ("customerId", "userId", "vendorName", "apiType", "vendorModel", "fromDate", "toDate")
WORKSPACE = "/api/llm-usage/by-workspace/{workspaceId}"

ALIASES = (
    Alias("/metrics/summary", FILTERS, (*COST, *TOKENS)),
    Alias("/metrics/grouped", (*FILTERS, "groupBy", "period"), (*COST, *TOKENS), window="month"),
    Alias("/llm/analytics/usage", ("userId", *DATES), (*PERFORMANCE, *TOKENS, "cost_usd")),
    Alias("/llm/analytics/costs", ("groupBy", *DATES), COST, window="day"),
    Alias(
        "/llm/analytics/popular-models", ("limit", *DATES), COST, ("model",), order=("-requests",)
    ),
    Alias("/llm/analytics/performance", DATES, (*PERFORMANCE, *PERCENTILES), ("provider",)),
    Alias("/llm/analytics/model/{modelId}", DATES, (*PERFORMANCE, "cost_usd")),
    Alias("/llm/analytics/provider/{provider}", DATES, (*PERFORMANCE, "cost_usd"), ("model",)),
    Alias("/api/usage/metrics/realtime", (), (*PERFORMANCE, *TOKENS, "cost_usd"), last="24h"),
    Alias(
        "/api/usage/metrics/aggregates",
        ("days", "interval", "provider"),
        (*PERFORMANCE, *TOKENS, "cost_usd"),
        window="day",
        last="7d",
    ),
    Alias("/api/usage/costs/by-provider", ("days",), COST, ("provider",), last="30d"),
    Alias(
        "/api/usage/performance/latency",
        ("days", "provider"),
        ("success_rate", *PERCENTILES),
        last="7d",
    ),
    Alias(
        "/api/llm-usage/analytics",
        ("workspaceId", "provider", "model", "userId", *DATES),
        (*COST, *TOKENS, "latency_avg_ms"),
        ("provider", "model", "task_type"),
    ),
    Alias(WORKSPACE, ("limit", "after")),
    Alias(WORKSPACE + "/provider/{provider}", ("limit", "after")),
    Alias(WORKSPACE + "/model/{model}", ("limit", "after")),
)


def add_alias(alias: Alias) -> None:
    """Add the route of a row."""
    answer = UsageAnswer if alias.measure else RecordsAnswer
    router.add_api_route(
        alias.path,
        make_route(alias),
        responses=describe_formats(answer),
        name=alias.path,
        summary=f"{alias.path} of a usage tracker",
        openapi_extra={"parameters": list(_describe_parameters(alias))},
    )


def make_route(alias: Alias) -> Callable[..., Response]:
    """Make the function that answers an alias."""

    def answer(request: Request, context: Context, visible: Visible) -> Response:
        values, where = translate(alias, request)
        try:
            if alias.measure:
                usage = UsageParameters.model_validate(values)
                return answer_usage(request, context, visible, usage, where, usage.format)
            records = RecordParameters.model_validate(values)
            return answer_records(request, context, visible, records, where)
        except ValidationError as error:
            found = [{**each, "loc": ("query", *each["loc"])} for each in error.errors()]
            raise RequestValidationError(found) from None

    return answer


def translate(alias: Alias, request: Request) -> tuple[dict[str, Any], list[str]]:
    """Translate a request into parameters of ours, and filters."""
    values: dict[str, Any] = {}
    if alias.measure:
        values = {
            "measure": list(alias.measure),
            "by": list(alias.by),
            "window": alias.window,
            "order": list(alias.order),
        }
    where = []
    for name, value in (*request.path_params.items(), *request.query_params.multi_items()):
        ours = PARAMETERS.get(name, name)
        if name == "days":
            values["last"] = f"{value}d"
        elif name == "groupBy" and value in PARAMETERS:
            values["by"] = [PARAMETERS[value]]
        elif name == "groupBy":
            values["window"] = value
        elif ours == "to":
            values["to"] = _include_day(value)
        elif ours in OWN:
            values[ours] = value
        else:
            kept = OPERATIONS.get(value, value) if ours == "operation" else value
            where.append(f"{ours}={kept}")
    if not values.keys() & {"from", "to", "last"} and alias.last is not None:
        values["last"] = alias.last
    return values, where


def _include_day(text: str) -> str:
    """Return the end of a period whose last day these trackers include."""
    try:
        return (date.fromisoformat(text) + timedelta(days=1)).isoformat()
    except (ValueError, OverflowError):
        return text


def _describe_parameters(alias: Alias) -> Any:
    in_path = [part[1:-1] for part in alias.path.split("/") if part.startswith("{")]
    for name in in_path:
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
    schemas = {**SCHEMAS, **SCHEMAS_OF_RECORDS} if "after" in alias.takes else SCHEMAS
    for name in (*alias.takes, "tz", "format"):
        yield {"name": name, "in": "query", "schema": schemas.get(name, {"type": "string"})}


SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "days": {"type": "integer", "minimum": 1},
    "format": {"enum": list(MEDIA_TYPES)},
    "groupBy": {"enum": list(get_args(Group))},
    "limit": {"type": "integer", "minimum": 1, "maximum": 100_000},
}
"""Of parameters that are not any text."""
SCHEMAS_OF_RECORDS: Mapping[str, Mapping[str, Any]] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": 1_000},
}
"""Where records are listed and not sums."""

for _alias in ALIASES:
    add_alias(_alias)
