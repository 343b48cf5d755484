"""Input tokens of Gemini's embeddings, which google-genai 2 leaves out of its response.

Input: the raw body, as the SDK converts it. Output: `gen_ai.usage.input_tokens` of the call in
progress. Later versions keep `usageMetadata`; then the response is read and nothing is added here.
"""

from __future__ import annotations

import functools
from contextvars import ContextVar
from typing import Any

from spantoll.instrumentation.guard import guarded
from spantoll.instrumentation.observer import SpanSource
from spantoll.instrumentation.provider import Replacement, Request
from spantoll.semconv import attributes as keys

__all__ = ["REPLACEMENT", "set_current_request"]

_current: ContextVar[Request | None] = ContextVar("spantoll-embedding-request", default=None)


def set_current_request(request: Request) -> None:
    """Keep the request whose response the SDK converts next in this context."""
    _current.set(request)


def _around_conversion(convert: Any, _: SpanSource) -> Any:
    @functools.wraps(convert)
    def call(*args: Any, **kwargs: Any) -> Any:
        converted = convert(*args, **kwargs)
        _keep_usage(args, converted)
        return converted

    return call


@guarded(lambda *_: None)
def _keep_usage(arguments: tuple[Any, ...], converted: Any) -> None:
    request = _current.get()
    if request is None or "usage_metadata" in converted:
        return
    # Before 1.20 the first argument was the client.
    bodies = (body for body in arguments if isinstance(body, dict) and "usageMetadata" in body)
    count = next(bodies, {}).get("usageMetadata", {}).get("promptTokenCount")
    if isinstance(count, int):
        request.late = {keys.USAGE_INPUT_TOKENS: count}


REPLACEMENT = Replacement(
    "google.genai.models:_EmbedContentResponse_from_mldev", _around_conversion
)
