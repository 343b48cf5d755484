"""Paths of a model browser that SpanToll takes the place of: `/llm/models` and its like.

Input: a request as it takes it. Output: what `/api/v1/models`, `/providers` and `/estimate` answer,
in their form. Parameters have our names; docs/rest.md lists the paths.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi import Query as Parameters
from pydantic import BaseModel, ConfigDict, Field

from spantoll.pricing.browse import ListedModel
from spantoll.surfaces.rest.context import Context
from spantoll.surfaces.rest.exact import ExactRoute
from spantoll.surfaces.rest.media import Answer, write_answer
from spantoll.surfaces.rest.models import (
    EstimateRequest,
    ModelParameters,
    NoParameters,
    estimate_call,
    get_models,
    get_providers,
    list_today,
    show_model,
)
from spantoll.surfaces.rest.openapi import describe_formats, describe_json
from spantoll.surfaces.rest.price_schemas import EstimateAnswer, ModelsAnswer, ProvidersAnswer
from spantoll.surfaces.rest.problem import ProblemError

__all__ = ["router"]

router = APIRouter(tags=["compatibility"], route_class=ExactRoute)

Count = Annotated[int, Field(ge=0, le=10**12)]


class EstimateOfTokens(BaseModel):
    """A call that is not made yet, in the spelling of the model browser."""

    # `true` is not one token.
    model_config = ConfigDict(extra="forbid", strict=True)

    modelId: str = Field(max_length=256)  # noqa: N815  as it is spelled there
    provider: str | None = Field(None, max_length=64)
    inputTokens: Count = 0  # noqa: N815  as above
    outputTokens: Count = 0  # noqa: N815  as above


router.get("/llm/models", responses=describe_formats(ModelsAnswer), name="get_llm_models")(
    get_models
)
router.get("/llm/providers", responses=describe_formats(ProvidersAnswer), name="get_llm_providers")(
    get_providers
)


@router.get(
    "/llm/models/free/all", responses=describe_formats(ModelsAnswer), name="get_llm_free_models"
)
def get_free_models(
    request: Request, context: Context, wanted: Annotated[NoParameters, Parameters()]
) -> Response:
    """List the models whose price is 0."""
    asked = {"free": True, "limit": 1_000, "format": wanted.format}
    free = ModelParameters.model_validate(asked)
    return get_models(request, context, free)


@router.get(
    "/llm/models/{modelId:path}", responses=describe_formats(ModelsAnswer), name="get_llm_model"
)
def get_model_by_name(
    request: Request,
    context: Context,
    modelId: Annotated[str, Path(max_length=256)],  # noqa: N803  as it is spelled there
    wanted: Annotated[NoParameters, Parameters()],
) -> Response:
    """Show a model at every provider that has it, with its price and context window."""
    day, models = list_today(context)
    rows = [show_model(model) for model in models if model.model == modelId]
    if not rows:
        raise ProblemError(404, f"no price list has {modelId!r}")
    document = {
        "day": day,
        "currency": "USD",
        "models": rows,
        "next_cursor": None,
        "has_more": False,
    }
    return write_answer(request, Answer(document, ListedModel._fields, rows), wanted.format)


@router.post("/llm/estimate-cost", responses=describe_json(EstimateAnswer), name="estimate_tokens")
def estimate_tokens(request: Request, context: Context, wanted: EstimateOfTokens) -> Response:
    """Say what a call would cost before it is made."""
    usage: dict[str, Any] = {
        "input_tokens": wanted.inputTokens,
        "output_tokens": wanted.outputTokens,
    }
    call = EstimateRequest(model=wanted.modelId, provider=wanted.provider, usage=usage)
    return estimate_call(request, context, call)
