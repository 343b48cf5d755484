"""Errors as problem details (RFC 9457).

Input: an error of SpanToll, of FastAPI's validation or of Starlette's routing. Output: a
response of application/problem+json whose `errors` name each wrong member, by JSON pointer in a
body and by name in a query, with the values that are allowed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from spantoll.errors import EventError, QueryError, RepriceError, StoreUnavailable

__all__ = [
    "PROBLEMS",
    "RETRY_AFTER_S",
    "Problem",
    "ProblemError",
    "Problems",
    "add_problem_handlers",
    "answer_unavailable",
    "make_problem",
    "refuse_value",
]

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = "3"

PARAMETERS: Mapping[str, str] = {
    "cursor": "after",
    "dimension": "by",
    "filter": "where",
}
"""Names of `QueryError.field` that a request calls something else."""

REWORDED: Mapping[int, str] = {413: "Content Too Large", 422: "Unprocessable Content"}
"""Reason phrases of RFC 9110 that `http.HTTPStatus` has since Python 3.13 only."""


ShowUnavailable = Callable[[Request, str], Response]
"""Makes the page that says why the ledger cannot be read."""


class Problem(BaseModel):
    """One member of a request that is wrong."""

    parameter: str | None = None
    """Name of a parameter of the query, path or header."""
    pointer: str | None = None
    """JSON pointer (RFC 6901) into the body."""
    message: str
    allowed: list[str] | None = None


class Problems(BaseModel):
    """Why a request was refused."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str | None = None
    errors: list[Problem] | None = None


class ProblemError(Exception):
    """Raised when a route refuses a request with the status `code`."""

    def __init__(self, code: int, detail: str, *, errors: Sequence[Problem] = ()) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)


def refuse_value(error: Exception, pointer: str) -> ProblemError:
    """Return what to raise for a value that cannot be used; `pointer` is where it stands."""
    return ProblemError(422, str(error), errors=[Problem(pointer=pointer, message=str(error))])


def find_phrase(code: int) -> str:
    """Return the reason phrase of a status, the same on every version of Python."""
    return REWORDED.get(code) or HTTPStatus(code).phrase


def describe_problems(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Describe answers with these codes for the OpenAPI document."""
    schema = {"$ref": "#/components/schemas/Problems"}
    return {
        code: {"description": find_phrase(code), "content": {MEDIA_TYPE: {"schema": schema}}}
        for code in codes
    }


PROBLEMS = describe_problems(400, 401, 403, 404, 405, 406, 409, 413, 415, 421, 422, 429, 503)
"""What every route may answer."""


def make_problem(
    code: int,
    detail: str | None = None,
    *,
    errors: Sequence[Problem] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Make the response for an error."""
    problems = Problems(
        title=find_phrase(code), status=code, detail=detail, errors=list(errors) or None
    )
    body = json.dumps(problems.model_dump(exclude_none=True), ensure_ascii=False)
    return Response(
        body.encode(errors="replace"), code, headers=dict(headers or {}), media_type=MEDIA_TYPE
    )


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every error of the application with problem details."""
    app.add_exception_handler(QueryError, _answer_query_error)
    app.add_exception_handler(EventError, _answer_event_error)
    app.add_exception_handler(StoreUnavailable, answer_unavailable)
    app.add_exception_handler(ProblemError, _answer_problem)
    app.add_exception_handler(RepriceError, _answer_conflict)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http_error)
    app.add_exception_handler(Exception, _answer_failure)


async def _answer_query_error(request: Request, error: Any) -> Response:
    name = PARAMETERS.get(error.field, error.field)
    in_body = request.method not in ("GET", "HEAD")
    problem = Problem(
        parameter=None if in_body else name,
        pointer=f"/{name}" if in_body else None,
        message=str(error),
        allowed=list(error.allowed) or None,
    )
    return make_problem(422, str(error), errors=[problem])


async def _answer_event_error(_: Request, error: Any) -> Response:
    problem = Problem(pointer=error.pointer, message=str(error))
    return make_problem(422, f"the event cannot be read: {error}", errors=[problem])


async def answer_unavailable(request: Request, error: Exception) -> Response:
    """Answer that the ledger cannot be read now: a page to a browser that opens one."""
    show_page: ShowUnavailable | None = request.app.state.show_unavailable
    takes_page = "text/html" in request.headers.get("accept", "")
    if show_page is not None and takes_page and not request.url.path.startswith("/api/"):
        response = show_page(request, str(error))
        response.headers["Retry-After"] = RETRY_AFTER_S
        return response
    return make_problem(503, str(error), headers={"Retry-After": RETRY_AFTER_S})


async def _answer_conflict(_: Request, error: Exception) -> Response:
    return make_problem(409, str(error))


async def _answer_problem(_: Request, error: Any) -> Response:
    return make_problem(error.code, error.detail, errors=error.errors)


async def _answer_http_error(_: Request, error: Any) -> Response:
    detail = None if error.detail == HTTPStatus(error.status_code).phrase else error.detail
    return make_problem(error.status_code, detail, headers=error.headers)


async def _answer_failure(_: Request, __: Exception) -> Response:
    return make_problem(500, "see the log of `spantoll up`")


async def _answer_invalid(_: Request, error: Any) -> Response:
    found = error.errors()
    if any(each["type"] == "json_invalid" for each in found):
        return make_problem(400, "the body is not JSON")
    return make_problem(422, errors=[_read_invalid(each) for each in found])


def _read_invalid(error: Mapping[str, Any]) -> Problem:
    """Read one error of pydantic: where it is, what it says, what is allowed."""
    place, *path = error["loc"]
    expected = error.get("ctx", {}).get("expected")
    allowed = None
    if error["type"] in ("literal_error", "enum") and isinstance(expected, str):
        allowed = [each.strip(" '") for each in expected.replace(" or ", ",").split(",")]
    if place == "body":
        return Problem(
            pointer="".join(f"/{_escape(part)}" for part in path),
            message=error["msg"],
            allowed=allowed,
        )
    return Problem(
        parameter=str(path[0]) if path else str(place), message=error["msg"], allowed=allowed
    )


def _escape(part: Any) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")
