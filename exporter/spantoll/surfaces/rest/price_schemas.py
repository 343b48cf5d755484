"""What answers about prices, changes and the audit look like, for the OpenAPI document.

Input: nothing. Output: pydantic models; answers are not validated against them when they are sent.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from spantoll.surfaces.rest.schemas import Money

__all__ = [
    "AuditAnswer",
    "ClosedPeriodAnswer",
    "CustomerPriceChangeAnswer",
    "CustomerPricesAnswer",
    "EstimateAnswer",
    "HistoryAnswer",
    "ModelsAnswer",
    "OwnerChangeAnswer",
    "OwnersAnswer",
    "PeriodsAnswer",
    "PriceChangeAnswer",
    "PriceTestAnswer",
    "PricesAnswer",
    "ProvidersAnswer",
    "RepricingAnswer",
    "RunsAnswer",
    "StatementAnswer",
]


class Provider(BaseModel):
    """A provider with a price list."""

    provider: str
    models: int
    free_models: int


class ProvidersAnswer(BaseModel):
    """Providers that have a price list."""

    day: str
    providers: list[Provider]


class Model(BaseModel):
    """A model of a price list; prices are USD per million tokens."""

    provider: str
    model: str
    operation: str
    modality: list[str]
    free: bool
    context_window: int | None
    input_usd: Money | None
    output_usd: Money | None


class ModelsAnswer(BaseModel):
    """A page of models that have a price."""

    day: str
    currency: str
    models: list[Model]
    next_cursor: str | None
    has_more: bool


class DatedPrice(BaseModel):
    """A unit price while it holds."""

    valid_from: str | None
    valid_to: str | None
    metric: str
    amount_usd: Money
    per: int
    source: str | None


class HistoryAnswer(BaseModel):
    """The prices of a model, oldest first."""

    provider: str
    model: str
    currency: str
    prices: list[DatedPrice]


class PricesAnswer(BaseModel):
    """Your own prices; amounts are text, in the currency of the row."""

    prices: list[dict[str, str]]


class CustomerPricesAnswer(BaseModel):
    """What customers pay; amounts are text, in the currency of the row."""

    prices: list[dict[str, str]]


class CustomerPriceChangeAnswer(BaseModel):
    """What a change of what customers pay did."""

    changed: list[dict[str, str]]
    unchanged: int
    """Rows that were there already."""


class OwnersAnswer(BaseModel):
    """Rules of owners, in the order in which they were added."""

    owners: list[dict[str, Any]]


class OwnerChangeAnswer(BaseModel):
    """What a change of rules of owners did."""

    changed: list[dict[str, Any]]
    unchanged: int
    """Rules that were there already."""


class StatementAnswer(BaseModel):
    """What a customer is charged; amounts are in members that end in its currency: `total_usd`."""

    customer: str
    period: str
    tz: str
    currency: str
    requests: int
    requests_without_revenue: int
    lower_bound: bool
    """Calls are left out of the total, because it is not known what they are charged."""
    lines: list[dict[str, Any]]
    notes: list[str]


class ClosedPeriod(BaseModel):
    """A closed period, with what was adjusted of its calls since."""

    period: str
    tz: str
    starts_at: str
    ends_at: str
    closed_at: str
    closed_by: str
    adjustments: int
    unknown_adjustments: int
    """Those whose cost is not known: `adjusted_usd` leaves them out."""
    adjusted_usd: Money | None


class PeriodsAnswer(BaseModel):
    """The closed periods, oldest first."""

    currency: str
    periods: list[ClosedPeriod]


class ClosedPeriodAnswer(BaseModel):
    """A period that was closed, and its sums, which stay as they are."""

    currency: str
    closed: ClosedPeriod
    totals: dict[str, Any]


class RunsAnswer(BaseModel):
    """Runs of re-pricing, newest first."""

    currency: str
    runs: list[dict[str, Any]]


class RepricingAnswer(BaseModel):
    """What pricing stored calls again changes, or has changed."""

    currency: str
    dry_run: bool
    preview: dict[str, Any] | None
    """By model, customer and day; only of a dry run."""
    run: dict[str, Any] | None
    """The run, which can be undone; None of a dry run."""


class AuditEntry(BaseModel):
    """One change."""

    at: str
    by: str
    action: str
    record: int | None
    records: int
    why: str


class AuditAnswer(BaseModel):
    """What was changed on purpose, newest first."""

    events: list[AuditEntry]


class PriceChangeAnswer(BaseModel):
    """What a change of your own prices did."""

    added: list[dict[str, str]]
    unchanged: int
    """Rows that were there already."""
    ended: list[dict[str, str]]
    """Rows that were withdrawn because a new one takes their place."""


class SourceAnswer(BaseModel):
    """What one source of prices alone would charge."""

    source: str
    cost_usd: Money | None
    status: str
    reason: str | None


class EstimateAnswer(BaseModel):
    """What a call would cost; `cost_usd` is null where there is no price."""

    id: Any
    cost_usd: Money | None
    status: str
    unpriced_reason: str | None
    remarks: list[str]
    lines: list[dict[str, Any]]


class PriceTestAnswer(BaseModel):
    """What a call would be billed, and what each source alone would charge, in their order."""

    currency: str
    billed: EstimateAnswer
    sources: list[SourceAnswer]
