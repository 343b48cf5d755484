"""How an answer is written: JSON, CSV, JSON lines, XLSX, Parquet or a page, with an ETag.

Input: an `Answer` and the headers `Accept` and `If-None-Match`, or the parameter `format`. Output:
a response; 304 where the client has it already. Negotiation follows RFC 9110 section 12.5.1.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Annotated, Any, BinaryIO, Literal, NamedTuple
from urllib.parse import quote

from fastapi import Request, Response
from pydantic import Field

from spantoll.errors import ConfigurationError
from spantoll.surfaces.exports import FORMATS, Export, write_export
from spantoll.surfaces.rest.hidden_costs import hide_costs, hides_costs, is_cost
from spantoll.surfaces.rest.problem import Problem, ProblemError

__all__ = [
    "HTML",
    "MEDIA_TYPES",
    "Answer",
    "Format",
    "Page",
    "write_answer",
    "write_reference",
    "write_rows",
]

HTML = "text/html"

MEDIA_TYPES: Mapping[str, str] = {
    "json": "application/json",
    **{name: each.media_type for name, each in FORMATS.items()},
}
"""Formats by the name of the parameter `format`; the first one is the default."""

Format = Annotated[
    Literal["json", "csv", "jsonl", "xlsx", "parquet"] | None,
    Field(description="How the answer is written, where the header Accept does not say it."),
]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a route answers: one document, and its rows for formats that have rows only."""

    document: Mapping[str, Any]
    headers: Sequence[str]
    rows: Sequence[Mapping[str, Any]]
    links: Mapping[str, str] = field(default_factory=dict)
    """Relation to address (RFC 8288)."""
    about: Sequence[tuple[str, str]] = ()
    """What a workbook says on its sheet About."""
    has_costs: bool = True
    """False for what every reader may see as it is: what a customer is charged."""


class Page(NamedTuple):
    """An answer as HTML, where a route offers one."""

    render: Callable[[], str]
    """Raises ConfigurationError where the page needs what is not installed."""
    headers: Mapping[str, str]
    """What a browser may load into it."""


def write_answer(
    request: Request, answer: Answer, format: str | None, *, page: Page | None = None
) -> Response:
    """Write an answer as the request accepts it, without costs where its key sees none.

    Raises ProblemError when it accepts nothing.
    """
    if answer.has_costs and hides_costs(request.scope.get("spantoll.filters", ())):
        answer = _hide_costs(answer)
    offered = MEDIA_TYPES if page is None else {**MEDIA_TYPES, "html": HTML}
    chosen = format or _negotiate(request.headers.get("accept", ""), offered)
    body = _write_body(answer, chosen, page)
    etag = f'W/"{sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Accept, Authorization"}
    links = dict(answer.links)
    if coverage := answer.document.get("coverage"):
        headers["SpanToll-Coverage"] = _describe_coverage(coverage, answer.document)
        if chosen != "json":  # rows alone say neither what they leave out nor of when they are
            links["describedby"] = write_reference(request, format="json")
    if links:
        headers["Link"] = ", ".join(f'<{url}>; rel="{rel}"' for rel, url in links.items())
    if page is not None and chosen == "html":
        headers |= page.headers
    if request.method in ("GET", "HEAD") and etag in _list_tags(request):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=offered[chosen])


def _describe_coverage(coverage: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """Write how many calls have which cost, and how many notes there are (RFC 9651 section 3.2)."""
    counts = {
        name: coverage[f"{name}_requests"] for name in ("unpriced", "partial", "estimated", "free")
    }
    counts = {"requests": coverage["requests"], **counts, "notes": len(document.get("notes", ()))}
    return ", ".join(f"{name}={count}" for name, count in counts.items())


def _hide_costs(answer: Answer) -> Answer:
    """Return an answer without costs; what a workbook says about it is of costs and prices."""
    return replace(
        answer,
        document=hide_costs(answer.document),
        headers=[name for name in answer.headers if not is_cost(name)],
        rows=[hide_costs(row) for row in answer.rows],
        about=(),
    )


def _write_body(answer: Answer, format: str, page: Page | None) -> bytes:
    if format == "json":
        return json.dumps(answer.document, ensure_ascii=False).encode()
    if format == "html" and page is not None:
        with _refuse_missing_extra():
            return page.render().encode()
    file = io.BytesIO()
    write_rows(file, Export(answer.headers, answer.rows, answer.about), format)
    return file.getvalue()


def write_rows(file: BinaryIO, export: Export, format: str) -> None:
    """Write an export. Raises ProblemError where the format needs what is not installed."""
    with _refuse_missing_extra():
        write_export(file, export, format=format)


@contextmanager
def _refuse_missing_extra() -> Iterator[None]:
    try:
        yield
    except ConfigurationError as error:
        raise ProblemError(406, str(error)) from None


def write_reference(request: Request, **changed: str) -> str:
    """Return the address of a request with changed parameters, percent-encoded (RFC 3986)."""
    return f"{quote(request.scope['path'])}?{request.url.include_query_params(**changed).query}"


def _negotiate(accept: str, offered: Mapping[str, str]) -> str:
    """Choose the format with the highest quality; the order in which they are offered decides."""
    if not accept.strip():
        return next(iter(offered))
    wanted = dict(_read_accept(accept))
    qualities = {name: _find_quality(media, wanted) for name, media in offered.items()}
    best = max(qualities, key=lambda name: qualities[name])
    if not qualities[best]:
        allowed = list(offered.values())
        problem = Problem(parameter="Accept", message="nothing that is offered", allowed=allowed)
        raise ProblemError(406, f"Accept: one of {', '.join(allowed)}", errors=[problem])
    return best


def _read_accept(accept: str) -> Iterator[tuple[str, float]]:
    for part in accept.split(","):
        media, *parameters = (each.strip().lower() for each in part.split(";"))
        quality = next((each[2:] for each in parameters if each.startswith("q=")), "1")
        try:
            yield media, float(quality)
        except ValueError:
            yield media, 0.0


def _find_quality(media: str, wanted: Mapping[str, float]) -> float:
    main = media.partition("/")[0]
    return next((wanted[each] for each in (media, f"{main}/*", "*/*") if each in wanted), 0.0)


def _list_tags(request: Request) -> set[str]:
    tags = (each.strip() for each in request.headers.get("if-none-match", "").split(","))
    return {tag if tag.startswith("W/") else f"W/{tag}" for tag in tags}
