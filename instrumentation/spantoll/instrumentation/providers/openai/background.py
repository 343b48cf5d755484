"""Responses made in the background: read later, with their usage, by id.

Input: what `responses.retrieve` returns, whole or as a stream of events. Output: a result for a
response that was made in the background and has ended (platform.openai.com/docs/guides/background).
A response that was not is `fetch_response` only: the call that made it has reported its usage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from spantoll.instrumentation.provider import (
    DeferredReader,
    DeferredResult,
    DeferredSource,
    Server,
    Settings,
)
from spantoll.instrumentation.providers.openai.readings import RESPONSE
from spantoll.instrumentation.reading import pick

__all__ = ["background_readers"]


def background_readers(
    server: Callable[[Any, Settings], Server],
) -> tuple[DeferredReader, ...]:
    """Return the readers of both clients."""

    def source(responses: Any, arguments: dict[str, Any], settings: Settings) -> DeferredSource:
        return DeferredSource(
            server(responses._client, settings),
            str(arguments["response_id"]),
            batch=False,
            streamed=arguments.get("stream") is True,
        )

    return tuple(
        DeferredReader(
            f"openai.resources.responses.responses:{kind}Responses.retrieve",
            source,
            results=_results,
            result_of_item=lambda event: _result(pick(event, "response")),
        )
        for kind in ("", "Async")
    )


def _results(response: Any, _: DeferredSource) -> Iterator[DeferredResult]:
    result = _result(response)
    if result is not None:
        yield result


def _result(response: Any) -> DeferredResult | None:
    ended = pick(response, "background") is True and pick(response, "usage") is not None
    response_id, created = pick(response, "id"), pick(response, "created_at")
    if not ended or not isinstance(response_id, str):
        return None
    return DeferredResult(
        RESPONSE,
        response_id,
        body=response,
        is_unique=True,
        created_s=int(created) if isinstance(created, int | float) else None,
    )
