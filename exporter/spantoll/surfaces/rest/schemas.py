"""What answers look like, for the OpenAPI document.

Input: the declared columns of a record. Output: pydantic models, which describe what `query/plain`
makes; answers are not validated against them when they are sent.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field, WithJsonSchema
from sqlalchemy import Boolean, Integer

from spantoll.query import RECORD_HEADERS
from spantoll.query.plain_records import UNITS
from spantoll.records.column_spec import ColumnSpec, Unit
from spantoll.records.record import COLUMNS

__all__ = [
    "AdjustmentsAnswer",
    "ExplanationAnswer",
    "ForecastAnswer",
    "GrowthAnswer",
    "HealthAnswer",
    "Money",
    "QuestionsAnswer",
    "RecordsAnswer",
    "StoredAnswer",
    "UsageAnswer",
]

MONEY = {"type": "string", "pattern": r"^-?\d+(\.\d+)?$", "examples": ["0.001100000"]}
TYPES: dict[Unit, dict[str, Any]] = {
    Unit.NANO_USD: MONEY,
    Unit.TIME_NS: {"type": "string", "format": "date-time"},
    Unit.DURATION_NS: {"type": "number"},
    Unit.MILLISECONDS: {"type": "number"},
}


def describe_column(spec: ColumnSpec) -> dict[str, Any]:
    """Describe how a column is shown."""
    if spec.unit is not None:
        return TYPES.get(spec.unit, {"type": "integer"})
    if isinstance(spec.type, Boolean):
        return {"type": "boolean"}
    return {"type": "integer"} if isinstance(spec.type, Integer) else {}


def describe_record() -> dict[str, Any]:
    """Describe a record as `plain_records` shows it."""
    shown = {spec.outside: describe_column(spec) for spec in COLUMNS.values() if spec.shown}
    nullable = {
        spec.outside: {"anyOf": [shown[spec.outside], {"type": "null"}]}
        for spec in COLUMNS.values()
        if spec.shown and spec.nullable and shown[spec.outside]
    }
    units: dict[str, Any] = {name: {} for name in ("margin_usd", "cost_state", *UNITS)}
    return {
        "type": "object",
        "properties": {"id": {"type": "integer"}, **shown, **nullable, **units, "trace_url": {}},
        "required": list(RECORD_HEADERS),
    }


Record = Annotated[dict[str, Any], WithJsonSchema(describe_record())]
Money = Annotated[str, WithJsonSchema(MONEY)]


class Coverage(BaseModel):
    """How much of the cost is exact, estimated and known in part, and how many calls have which."""

    cost_usd: Money | None
    exact_usd: Money
    estimated_usd: Money
    partial_usd: Money
    requests: int
    free_requests: int
    estimated_requests: int
    partial_requests: int
    unpriced_requests: int
    unpriced_tokens: int
    cost_state: str | None
    estimated: bool
    lower_bound: bool


class PriceSet(BaseModel):
    """A price set that priced something in an answer."""

    source: str
    price_set: str


class PeriodAnswer(BaseModel):
    """What every answer from the ledger has to be read with."""

    from_: str | None = Field(alias="from")
    to: str | None
    tz: str
    currency: str
    coverage: Coverage


class Adjusted(BaseModel):
    """The sum of some adjustments of closed periods, which no other sum of an answer has."""

    entries: int
    unknown: int
    """Entries whose cost is not known: `cost_usd` leaves them out."""
    cost_usd: Money | None


class Adjustments(BaseModel):
    """Adjustments of all calls that the key may see, whatever else is filtered."""

    booked: Adjusted
    """Booked in the time of the answer, of calls of closed periods."""
    booked_later: Adjusted
    """Booked after it, of calls of this time."""


class SumsAnswer(PeriodAnswer):
    """Sums of measures by dimensions and windows."""

    window: str
    group_by: list[str]
    measures: list[str]
    rows: list[dict[str, Any]]
    groups: int
    """Rows there are without `limit`."""
    totals: dict[str, Any]
    price_sets: list[PriceSet]
    notes: list[str]
    """What the answer cannot know, because records are deleted, or knows from sums alone."""


class UsageAnswer(SumsAnswer):
    """Sums of measures, and what closed periods keep out of them."""

    adjustments: Adjustments


class GrowthAnswer(PeriodAnswer):
    """A period beside an earlier one, or each window beside the one before.

    Each measure has its value now, `NAME_before`, `NAME_change` and `NAME_growth`, a share.
    """

    before_from: str | None
    before_to: str | None
    window: str
    group_by: list[str]
    measures: list[str]
    rows: list[dict[str, Any]]
    totals: dict[str, Any] | None
    notes: list[str]
    """What the answer cannot know, because records are deleted, or knows from sums alone."""


class ForecastAnswer(PeriodAnswer):
    """An estimate of the cost of the current month; `coverage` is of the month until now."""

    now: str
    cost_usd: Money | None
    """Of the month until now."""
    cost_state: str | None
    basis_from: str
    basis_to: str
    """The whole days whose mean is taken for each day that is left."""
    daily_cost_usd: Money | None
    days_left: float
    forecast_cost_usd: Money | None
    """None where it cannot be foreseen, for the `reason`."""
    lower_bound: bool
    reason: str | None
    rule: str
    notes: list[str]
    """What the answer cannot know, because records are deleted, or knows from sums alone."""


class Question(BaseModel):
    """A question that has a name."""

    question: str
    answers: str


class QuestionsAnswer(BaseModel):
    """The questions that have a name."""

    questions: list[Question]


class Adjustment(BaseModel):
    """What would have changed a record of a closed period; amounts are changes of sums."""

    booked_at: str
    period: str | None
    cause: str
    run: int | None
    record: int
    trace_id: str
    span_id: str
    started_at: str
    provider: str | None
    model: str | None
    customer_id: str | None
    pricing_status: str
    requests: int | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: Money | None
    revenue_usd: Money | None


class AdjustmentsAnswer(BaseModel):
    """Adjustments in the order in which they were booked."""

    currency: str
    adjustments: list[Adjustment]


class HealthAnswer(SumsAnswer):
    """How well the spans of each emitter could be read, counted and priced."""

    doubts: list[dict[str, Any]]
    """Models whose cost is not known exactly, and why."""
    drift: list[dict[str, Any]]
    """Models whose spans report a cost, and how far it is from that by the price list."""


class RecordsAnswer(PeriodAnswer):
    """A page of records, newest first; `coverage` is of the page."""

    records: list[Record]
    next_cursor: str | None
    has_more: bool


class StoredAnswer(BaseModel):
    """The records that events became."""

    currency: str
    created: int
    duplicates: int
    """Events that were stored before, or are in the request twice."""
    ignored: list[str]
    """JSON pointers to members of the events that are not stored."""
    records: list[Record]


class CostLine(BaseModel):
    """A quantity times a unit price; rounded once, half to even."""

    metric: str
    quantity: str
    amount_usd: Money
    per: int
    cost_usd: Money


class RevenueLine(BaseModel):
    """What the customer is charged for a quantity; rounded once, half to even."""

    metric: str
    quantity: str
    revenue_usd: Money
    customer_price: str | None
    """The row that charges it; None for a key that is limited to a customer or tenant."""
    discount: str | None


class ExplanationAnswer(BaseModel):
    """A record, its price row and arithmetic, and what it repeats."""

    currency: str
    record: Record
    facts: dict[str, Any]
    """What its own span reported otherwise than the merged record has it."""
    rate: dict[str, Any] | None
    lines: list[CostLine]
    revenue_lines: list[RevenueLine]
    """None where it was charged by other customer prices than those of today."""
    repeats: Record | None
    repeated_by: list[Record]
