"""Answers that are kept for the next request that asks the same.

Input: what identifies an answer, and the function that makes it. Output: a response with the header
Age, which says how many seconds old the answer is (RFC 9111 section 5.1). `Cache-Control: no-cache`
(section 5.2.1.4) asks for an answer of now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from fastapi import Request, Response

from spantoll.query import Filter
from spantoll.surfaces.rest.context import RestContext
from spantoll.surfaces.rest.media import Answer, write_answer
from spantoll.surfaces.rest.parameters import ScopeParameters

__all__ = ["SLOW_S", "identify_request", "write_kept_answer"]

SLOW_S = 0.5
"""An answer that reads every record of a period is kept if it took longer: of a few hundred
thousand records. Half of what people take for an immediate answer (Nielsen 1993: 1 s)."""


def write_kept_answer(
    request: Request,
    context: RestContext,
    wanted: ScopeParameters,
    make: Callable[[], Answer],
    *,
    identity: Mapping[str, Any],
    slower_than_s: float = 0.0,
) -> Response:
    """Write the answer of an identity, made now unless one is kept.

    An answer that was made faster than in `slower_than_s` is not kept.
    """
    found = context.answers.fetch(
        {"database": str(context.engine.url), **identity},
        lambda: asdict(make()),
        slower_than_s=slower_than_s,
        fresh="no-cache" in request.headers.get("cache-control", ""),
    )
    response = write_answer(request, Answer(**found.content), wanted.format)
    response.headers["Age"] = str(int(found.age_s))
    return response


def identify_request(
    request: Request, context: RestContext, visible: Sequence[Filter]
) -> dict[str, Any]:
    """Return what identifies the answer of a request: its address, zone and the key's limit."""
    given = [pair for pair in request.query_params.multi_items() if pair[0] != "format"]
    return {"path": request.url.path, "given": given, "tz": context.tz, "filters": list(visible)}
