"""Parameters that several routes share, under the names the command line has.

Input: the query or the body of a request. Output: pydantic models, and filters of `query`. A
parameter that no route declares is a filter: `?model=a&model=b&customer_id!=c`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal, get_origin

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.fields import FieldInfo

from spantoll.query import (
    AGAINST,
    DIMENSIONS,
    GROWTH_MEASURES,
    MEASURES,
    WINDOWS,
    Filter,
    Query,
    close_growth_period,
    parse_query,
)
from spantoll.surfaces.rest.context import RestContext
from spantoll.surfaces.rest.hidden_costs import hide_measures
from spantoll.surfaces.rest.media import Format
from spantoll.surfaces.rest.problem import Problem, ProblemError

__all__ = [
    "FILTERS",
    "ExportParameters",
    "Filters",
    "ForecastParameters",
    "GrowthParameters",
    "PeriodParameters",
    "RecordParameters",
    "ScopeParameters",
    "UsageParameters",
    "UsageQuery",
    "refuse_repeated",
]

DECLARED = (
    *("after", "against", "by", "exact", "fill", "fiscal_start", "format", "from", "last", "limit"),
    *("measure", "order", "others", "to", "tz", "uncounted", "week_start", "where", "window"),
)
"""Names that are parameters of a route, on whichever route; every other one is a filter."""

Text = Annotated[str, Field(max_length=1024)]
DimensionName = Annotated[
    str,
    WithJsonSchema(
        {"anyOf": [{"enum": list(DIMENSIONS)}, {"type": "string", "pattern": "^attr[.].+"}]}
    ),
]
MeasureName = Annotated[
    str,
    WithJsonSchema(
        {"anyOf": [{"enum": list(MEASURES)}, {"type": "string", "pattern": "^unit[.].+"}]}
    ),
]
Where = Annotated[
    list[Text],
    Field(
        max_length=100,
        description="`field=value`, `field!=value`; nothing after the sign is unknown. "
        "Values for one field are alternatives.",
        examples=[["model=gpt-4o", "customer_id!=acme"]],
    ),
]

Zone = Annotated[Text | None, Field(description="IANA time zone; the server's where it is absent.")]


class Period(BaseModel):
    """From `from` (inclusive) to `to` (exclusive), or the `last` so long until now."""

    from_: Text | None = Field(
        None, alias="from", description="Inclusive: 2026-11-01, -7d, this_month, RFC 3339."
    )
    to: Text | None = Field(None, description="Exclusive, in the forms of `from`.")
    last: Text | None = Field(None, description="Until now: 30min, 24h, 7d, 2w, 1mo, 1y.")
    tz: Zone = None

    def read(self, tz: str) -> dict[str, Any]:
        """Return the period as arguments of `parse_period`, in the zone `tz` if none is named."""
        return {"start": self.from_, "end": self.to, "last": self.last, "tz": self.tz or tz}


class PeriodQuery(Period):
    """A period and filters."""

    where: Where = Field(default_factory=list)


class SumsQuery(PeriodQuery):
    """What to add up, split how, of which records: what usage and growth have in common."""

    measure: list[MeasureName] = Field(
        default_factory=list, max_length=100, description="What to add up."
    )
    by: list[DimensionName] = Field(
        default_factory=list, max_length=10, description="Split by these dimensions."
    )
    window: Literal[tuple(WINDOWS)] = "total"  # type: ignore[valid-type]  # a tuple made at run time
    limit: int | None = Field(None, ge=1, le=100_000, description="At most so many rows.")
    week_start: Text | None = Field(None, description="First day of weeks; Monday if absent.")
    fiscal_start: int | None = Field(
        None, ge=1, le=12, description="Month in which years begin; the server's if absent."
    )

    def read_query(
        self,
        context: RestContext,
        *,
        filters: Sequence[str],
        visible: Sequence[Filter],
        **more: Any,
    ) -> Query:
        """Return the query, of what the key of the request may see. Raises QueryError."""
        query = parse_query(
            measure=self.measure,
            by=self.by,
            where=[*self.where, *filters],
            **self.read(context.tz),
            window=self.window,
            limit=self.limit,
            week_start=self.week_start,
            fiscal_start=self.fiscal_start or context.fiscal_start,
            now_ns=context.now_ns(),
            **more,
        )
        return hide_measures(replace(query, filters=(*query.filters, *visible)), visible)


class UsageQuery(SumsQuery):
    """Sums, sorted and filled, also of what is not counted.

    Types are those of JSON: `"limit": true` is no number, and `"fill": "yes"` no truth value.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    order: list[Text] = Field(
        default_factory=list, max_length=10, description="Sort by these, `-name` for descending."
    )
    uncounted: bool = Field(False, description="Also records that repeat a call or stand for none.")
    exact: bool = Field(False, description="Percentiles of every value, not of buckets 4 % wide.")
    fill: bool = Field(False, description="A row for every group in every window.")
    others: bool = Field(False, description="One row for the groups beyond `limit`.")


class UsageParameters(UsageQuery):
    """The same as parameters of an address, where every value is text."""

    model_config = ConfigDict(extra="ignore", strict=False)

    format: Format = None


class GrowthParameters(SumsQuery):
    """Which period to compare with which; the last 30 days where none is given."""

    measure: list[MeasureName] = Field(
        default_factory=lambda: list(GROWTH_MEASURES),
        max_length=100,
        description="What to add up.",
    )
    against: Literal[tuple(AGAINST)] = Field(  # type: ignore[valid-type]  # as `window`
        "previous", description="The period before, or the same days a month or a year ago."
    )
    format: Format = None

    def read(self, tz: str) -> dict[str, Any]:
        """Return the period as arguments of `parse_period`: it has a beginning and an end."""
        return {**close_growth_period(self.from_, self.to, self.last), "tz": self.tz or tz}


class ForecastParameters(BaseModel):
    """Which records a forecast is of; its period is the current month."""

    where: Where = Field(default_factory=list)
    tz: Zone = None
    format: Format = None


class RecordParameters(PeriodQuery):
    """Which records to list, and where to go on."""

    limit: int = Field(50, ge=1, le=1_000, description="At most so many records.")
    after: Text | None = Field(None, description="`next_cursor` of the page before.")
    uncounted: bool = Field(False, description="Also records that repeat a call or stand for none.")
    format: Format = None


class ExportParameters(PeriodQuery):
    """Which records to export, and how."""

    uncounted: bool = Field(False, description="Also records that repeat a call or stand for none.")
    format: Literal["csv", "jsonl", "xlsx", "parquet"] = "csv"


class PeriodParameters(Period):
    """Which period to look at."""

    model_config = ConfigDict(extra="forbid")

    format: Format = None


class ScopeParameters(PeriodQuery):
    """Which records a question or a report is about."""

    format: Format = None


FILTERS = {
    "parameters": [
        {
            "name": "filters",
            "in": "query",
            "required": False,
            "style": "form",
            "explode": True,
            "description": "Any other parameter is a filter by the dimension of its name: "
            "`model=a&model=b` keeps both, `model!=a` leaves one out.",
            "schema": {
                "type": "object",
                "properties": {name: {"type": "string"} for name in DIMENSIONS},
                "additionalProperties": False,
            },
        }
    ]
}
"""What OpenAPI says of filters given as parameters of their own name."""


async def read_filters(request: Request) -> list[str]:
    """Return the filters of a request that are parameters of their own name.

    Raises ProblemError for a parameter of other routes that this one does not take: ignored, it
    would leave an answer to another question than was asked.
    """
    given = request.query_params.multi_items()
    taken = list(_list_fields(request.scope["route"]))
    others = [name for name in dict(given) if name in DECLARED and name not in taken]
    if others:
        path = request.scope["route"].path
        message = f"{path} does not take it: one of {', '.join(taken)}, or a filter"
        raise ProblemError(
            422,
            f"{path} does not take {', '.join(others)}",
            errors=[Problem(parameter=name, message=message, allowed=taken) for name in others],
        )
    return [f"{name}={value}" for name, value in given if name not in DECLARED]


Filters = Annotated[list[str], Depends(read_filters)]


async def refuse_repeated(request: Request) -> None:
    """Refuse a parameter with one value that is given twice. Raises ProblemError.

    FastAPI would read the last one and say nothing of the others.
    """
    given = request.query_params
    repeated = [
        name
        for name, field in _list_fields(request.scope["route"]).items()
        if get_origin(field.annotation) is not list and len(given.getlist(name)) > 1
    ]
    if repeated:
        raise ProblemError(
            422,
            "a parameter is given more than once",
            errors=[Problem(parameter=name, message="takes one value") for name in repeated],
        )


def _list_fields(route: APIRoute) -> dict[str, FieldInfo]:
    """Return the fields of the models that a route reads its parameters with, by parameter."""
    models = [parameter.field_info.annotation for parameter in route.dependant.query_params]
    return {
        field.alias or name: field
        for model in models
        if isinstance(model, type) and issubclass(model, BaseModel)
        for name, field in model.model_fields.items()
    }
