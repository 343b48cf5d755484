from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from spantoll.instrumentation.context import is_suppressed
from spantoll.instrumentation.guard import guarded
from spantoll.instrumentation.provider import Call, Endpoint, Provider
from spantoll.instrumentation.settings import asks_for_usage
from spantoll.instrumentation.spans import Invocation, tracer
from spantoll.instrumentation.streams import AsyncObservedStream, ObservedStream

__all__ = ["wrapper_of"]

Wrapper = Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]
Hides = Callable[[Any], bool] | None


def wrapper_of(provider: Provider, call: Call, wrapped: Callable[..., Any]) -> Wrapper:
    """Make the wrapt wrapper of one SDK method: plain, stream, and error; sync and async.

    Nothing of ours is attached to the context while the method runs or a stream is open, so a span
    can end in another task or thread than it began in.
    """

    def call_sync(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        begun = guarded(_begin, provider, call, instance, kwargs)
        if begun is None:
            return wrapped(*args, **kwargs)
        invocation, kwargs, hides = begun
        try:
            result = wrapped(*args, **kwargs)
        except BaseException as error:
            guarded(invocation.end, error)
            raise
        return _finish(call, invocation, kwargs, hides, result)

    async def call_async(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        begun = guarded(_begin, provider, call, instance, kwargs)
        if begun is None:
            return await wrapped(*args, **kwargs)
        invocation, kwargs, hides = begun
        try:
            result = await wrapped(*args, **kwargs)
        except BaseException as error:
            guarded(invocation.end, error)
            raise
        return _finish(call, invocation, kwargs, hides, result)

    return call_async if inspect.iscoroutinefunction(inspect.unwrap(wrapped)) else call_sync


def _begin(
    provider: Provider, call: Call, instance: Any, kwargs: dict[str, Any]
) -> tuple[Invocation, dict[str, Any], Hides] | None:
    if is_suppressed():
        return None
    endpoint = guarded(provider.endpoint, instance) or Endpoint(provider.name)
    invocation = Invocation(tracer(), call, endpoint, kwargs)
    hides: Hides = None
    if call.ask_for_usage is not None and call.is_stream(kwargs) and asks_for_usage():
        asked = call.ask_for_usage(endpoint, kwargs)
        if asked is not None:
            kwargs, hides = asked, call.is_usage_only
    return invocation, kwargs, hides


def _finish(
    call: Call, invocation: Invocation, kwargs: Mapping[str, Any], hides: Hides, result: Any
) -> Any:
    if call.is_stream(kwargs):
        if hasattr(result, "__anext__"):
            return guarded(AsyncObservedStream, result, invocation, hides) or result
        if hasattr(result, "__next__"):
            return guarded(ObservedStream, result, invocation, hides) or result
    guarded(invocation.answer, _parsed(result))
    guarded(invocation.end)
    return result


def _parsed(result: Any) -> Any:
    """The answer inside a raw response; parsing is what its caller will do, and is cached."""
    parse = getattr(result, "parse", None)
    return parse() if hasattr(result, "http_response") and callable(parse) else result
