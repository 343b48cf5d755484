"""`/models`, `/providers` and `/estimate`: what has a price, and what a call would cost.

Input: filters of `spantoll models`, or a call as `spantoll price` reads it. Output: the price lists
of the rate card; no ledger is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi import Query as Parameters
from pydantic import BaseModel, ConfigDict, Field

from spantoll.pricing import RateCard, Unpriced
from spantoll.pricing.browse import ListedModel, list_models, list_periods
from spantoll.pricing.estimate import estimate_cost
from spantoll.pricing.lists import owners_of_provider
from spantoll.surfaces.rest.context import Context, RestContext
from spantoll.surfaces.rest.exact import ExactRoute
from spantoll.surfaces.rest.media import Answer, Format, write_answer, write_reference
from spantoll.surfaces.rest.openapi import describe_formats, describe_json
from spantoll.surfaces.rest.price_schemas import (
    EstimateAnswer,
    HistoryAnswer,
    ModelsAnswer,
    ProvidersAnswer,
)
from spantoll.surfaces.rest.problem import Problem, ProblemError

__all__ = ["list_today", "router", "show_model"]

router = APIRouter(tags=["prices"], route_class=ExactRoute)

PROVIDER_HEADERS = ("provider", "models", "free_models")
HISTORY_HEADERS = ("valid_from", "valid_to", "metric", "amount_usd", "per", "source")


class NoParameters(BaseModel):
    """Nothing but the format."""

    model_config = ConfigDict(extra="forbid")

    format: Format = None


class ModelParameters(BaseModel):
    """Which models to list."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field("", max_length=256, description="Part of a name to look for.")
    provider: str | None = Field(None, max_length=64)
    operation: str | None = Field(None, max_length=64, description="chat, embeddings, speech ...")
    free: bool | None = None
    limit: int = Field(100, ge=1, le=1_000)
    after: str | None = Field(None, max_length=512, description="`next_cursor` of the page before.")
    format: Format = None


class EstimateRequest(BaseModel):
    """A call that is not made yet; `usage` and `context` are those of `spantoll price`."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(max_length=256, examples=["gpt-4o"])
    provider: str | None = Field(None, max_length=64)
    usage: dict[str, Any] = Field(examples=[{"input_tokens": 1_000, "output_tokens": 200}])
    context: dict[str, Any] = Field(default_factory=dict, examples=[{"batch": True}])


@router.get("/providers", responses=describe_formats(ProvidersAnswer), name="get_providers")
def get_providers(
    request: Request, context: Context, wanted: Annotated[NoParameters, Parameters()]
) -> Response:
    """List providers that have a price list, with how many models."""
    day, models = list_today(context)
    counts = Counter(model.provider for model in models)
    free = Counter(model.provider for model in models if model.free)
    rows = [
        {"provider": name, "models": counts[name], "free_models": free[name]}
        for name in sorted(counts)
    ]
    answer = Answer({"day": day, "providers": rows}, PROVIDER_HEADERS, rows)
    return write_answer(request, answer, wanted.format)


@router.get("/models", responses=describe_formats(ModelsAnswer), name="get_models")
def get_models(
    request: Request, context: Context, wanted: Annotated[ModelParameters, Parameters()]
) -> Response:
    """List the models that have a price, with the price of a million tokens."""
    day, models = list_today(context)
    price_lists = None if wanted.provider is None else owners_of_provider(wanted.provider)
    found = [
        model
        for model in models
        if wanted.name.lower() in model.model.lower()
        and (price_lists is None or model.provider in price_lists)
        and wanted.operation in {None, model.operation}
        and wanted.free in {None, model.free}
        and (wanted.after is None or _name(model) > wanted.after)
    ]
    page = found[: wanted.limit]
    more = len(found) > len(page)
    rows = [show_model(model) for model in page]
    document = {
        "day": day,
        "currency": "USD",
        "models": rows,
        "next_cursor": _name(page[-1]) if more else None,
        "has_more": more,
    }
    links = {}
    if more:
        links["next"] = write_reference(request, after=_name(page[-1]))
    return write_answer(request, Answer(document, ListedModel._fields, rows, links), wanted.format)


@router.get(
    "/models/{provider}/{model:path}", responses=describe_formats(HistoryAnswer), name="get_model"
)
def get_model(
    request: Request,
    context: Context,
    provider: Annotated[str, Path(max_length=64)],
    model: Annotated[str, Path(max_length=256)],
    wanted: Annotated[NoParameters, Parameters()],
) -> Response:
    """Show the prices of a model and when each holds, oldest first."""
    periods = list_periods(context.rate_card, provider, model)
    if isinstance(periods, Unpriced):
        raise ProblemError(404, periods.detail)
    rows = [
        {
            "valid_from": period.valid_from or None,
            "valid_to": period.valid_to or None,
            "metric": price.metric,
            "amount_usd": f"{price.amount_usd:f}",
            "per": price.per,
            "source": price.source or period.rate.source,
        }
        for period in periods
        for price in period.rate.prices
    ]
    document = {"provider": provider, "model": model, "currency": "USD", "prices": rows}
    return write_answer(request, Answer(document, HISTORY_HEADERS, rows), wanted.format)


@router.post("/estimate", responses=describe_json(EstimateAnswer), name="estimate_call")
def estimate_call(request: Request, context: Context, wanted: EstimateRequest) -> Response:
    """Say what a call would cost before it is made."""
    answer = estimate_cost(
        context.rate_card,
        wanted.model,
        now_ns=context.now_ns(),
        provider=wanted.provider,
        usage=wanted.usage,
        context=wanted.context,
    )
    if answer["unpriced_reason"] == "unreadable":
        problems = [Problem(pointer="/usage", message=each) for each in answer["remarks"]]
        raise ProblemError(422, "the call cannot be read", errors=problems)
    return write_answer(request, Answer(answer, (), ()), "json")


def list_today(context: RestContext) -> tuple[str, Sequence[ListedModel]]:
    """Return the day and the models that have a list price on it, by provider and name."""
    day = datetime.fromtimestamp(context.now_ns() // 10**9, UTC).date().isoformat()
    return day, _list_day(context.rate_card, day)


@lru_cache(maxsize=2)
def _list_day(card: RateCard, day: str) -> Sequence[ListedModel]:
    return sorted(list_models(card, day=day), key=_name)


def _name(model: ListedModel) -> str:
    return f"{model.provider}/{model.model}"


def show_model(model: ListedModel) -> dict[str, Any]:
    """Show a model with the price of a million tokens."""
    return {
        **model._asdict(),
        "modality": list(model.modality),
        "input_usd": _show_amount(model.input_usd),
        "output_usd": _show_amount(model.output_usd),
    }


def _show_amount(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount.normalize():f}"
