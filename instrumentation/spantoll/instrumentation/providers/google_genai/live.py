"""Gemini Live: one span per message of a session that reports usage, which is one per turn of the
model.

Input: the messages that a session of `aio.live.connect` receives (ai.google.dev/api/live,
UsageMetadata). Output: a result with text, audio, image and cached tokens. The provider gives a
turn no id, so the spans have random ids. A turn that a lost connection cuts off reports no usage.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4
from weakref import WeakKeyDictionary

from spantoll.instrumentation.guard import guarded
from spantoll.instrumentation.observer import SpanSource
from spantoll.instrumentation.provider import (
    Call,
    DeferredReader,
    DeferredResult,
    DeferredSource,
    Replacement,
    Server,
    Settings,
)
from spantoll.instrumentation.providers.google_genai.readings import live_usage
from spantoll.semconv import attributes as keys

__all__ = ["live_hooks"]

TURN = Call(
    "generate_content",
    response=live_usage(),
)
_models: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
"""Session -> the model it was opened with; a session does not know it."""


def live_hooks(
    server: Callable[[Any, Settings], Server],
) -> tuple[Replacement | DeferredReader, ...]:
    """Return what watches the sessions of `aio.live`."""

    def source(session: Any, arguments: dict[str, Any], settings: Settings) -> DeferredSource:
        return DeferredSource(
            server(session._api_client, settings), "", batch=False, client=session
        )

    return (
        Replacement("google.genai.live:AsyncLive.connect", _around_connect),
        DeferredReader(
            "google.genai.live:AsyncSession._receive",
            source,
            has_results=lambda message: message.usage_metadata is not None,
            results=_results,
        ),
    )


def _around_connect(connect: Any, _: SpanSource) -> Any:
    """Keep the model of each session that is opened."""

    @functools.wraps(connect)
    @asynccontextmanager
    async def call(live: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        async with connect(live, *args, **kwargs) as session:
            _keep_model(session, kwargs.get("model"))
            yield session

    return call


@guarded(lambda *_: None)
def _keep_model(session: Any, model: Any) -> None:
    if isinstance(model, str):
        _models[session] = model


def _results(message: Any, source: DeferredSource) -> Iterator[DeferredResult]:
    model = _models.get(source.client)
    values = {keys.REQUEST_MODEL: model} if model is not None else {}
    session_id = getattr(source.client, "session_id", None)
    if isinstance(session_id, str):
        values[keys.CONVERSATION_ID] = session_id
    yield DeferredResult(TURN, uuid4().hex, body=message, is_unique=True, attributes=values)
