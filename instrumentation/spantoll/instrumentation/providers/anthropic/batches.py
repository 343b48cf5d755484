"""Anthropic's message batches: submitting one, and its results.

Input: `messages.batches.create`, and the items of `messages.batches.results`, also those below
`beta`. Output: the `Call` of a submission, and a `DeferredResult` per item (docs.claude.com,
Message Batches). An item that was cancelled or expired was not processed and is not billed.
"""

from __future__ import annotations

from typing import Any

from spantoll.instrumentation.provider import (
    Call,
    DeferredReader,
    DeferredResult,
    DeferredSource,
    Server,
    Settings,
)
from spantoll.instrumentation.providers.anthropic.readings import MESSAGE
from spantoll.instrumentation.reading import pick
from spantoll.semconv import attributes as keys

__all__ = ["SUBMISSION", "batch_readers"]


def _common_model(body: Any) -> str | None:
    """Return the model of all requests of a batch; None where they have several."""
    models = {pick(request, "params.model") for request in pick(body, "requests") or ()}
    return models.pop() if len(models) == 1 else None


SUBMISSION = Call(
    "create_batch",
    request={keys.REQUEST_MODEL: _common_model},
    response={keys.SPANTOLL_METADATA_PREFIX + "batch_id": "id"},
    constant={keys.SPANTOLL_BATCH: True},
    billed=False,
    submits=keys.SPANTOLL_METADATA_PREFIX + "batch_id",
)


def batch_readers(server: Any) -> tuple[DeferredReader, ...]:
    """Return the readers of both clients and of both versions of the API."""

    def source(batches: Any, arguments: dict[str, Any], settings: Settings) -> DeferredSource:
        found: Server = server(batches._client, settings)
        return DeferredSource(found, str(arguments["message_batch_id"]), streamed=True)

    return tuple(
        DeferredReader(
            f"anthropic.resources.{place}:{kind}Batches.results",
            source,
            result_of_item=_result_of_item,
        )
        for place in ("messages.batches", "beta.messages.batches")
        for kind in ("", "Async")
    )


def _result_of_item(item: Any) -> DeferredResult | None:
    kind, custom_id = pick(item, "result.type"), pick(item, "custom_id")
    if not isinstance(custom_id, str) or kind not in ("succeeded", "errored"):
        return None
    if kind == "succeeded":
        return DeferredResult(
            MESSAGE, custom_id, body=pick(item, "result.message"), custom_id=custom_id
        )
    error = pick(item, "result.error.error.type") or pick(item, "result.error.type")
    return DeferredResult(MESSAGE, custom_id, custom_id=custom_id, error=str(error or "_OTHER"))
