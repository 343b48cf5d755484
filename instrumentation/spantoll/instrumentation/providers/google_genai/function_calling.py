"""Automatic function calling: one trace, with an `execute_tool` span between its requests.

Input: `generate_content` with Python functions as tools, which the SDK calls itself. Output: a span
per function (gen-ai-agent-spans.md, Execute tool span), and where the application has no span of
its own, a root span without usage that holds the requests and the functions together.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry import context, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from spantoll.instrumentation.guard import guarded
from spantoll.instrumentation.observer import SpanSource
from spantoll.instrumentation.provider import Replacement
from spantoll.instrumentation.reading import pick
from spantoll.instrumentation.spans import error_name
from spantoll.instrumentation.suppression import is_suppressed
from spantoll.semconv import attributes as keys

__all__ = ["REPLACEMENTS"]

ROOT_NAME = "automatic_function_calling"


def _around_tool(invoke: Any, source: SpanSource) -> Any:
    """Make a span of each function that the SDK calls for the model."""

    @functools.wraps(invoke)
    def call(args: Any, function_to_invoke: Any) -> Any:
        with _tool_span(source, function_to_invoke):
            return invoke(args, function_to_invoke)

    @functools.wraps(invoke)
    async def acall(args: Any, function_to_invoke: Any) -> Any:
        with _tool_span(source, function_to_invoke):
            return await invoke(args, function_to_invoke)

    return acall if inspect.iscoroutinefunction(invoke) else call


@contextmanager
def _tool_span(source: SpanSource, function: Any) -> Iterator[None]:
    span = _start_tool(source, function)
    if span is None:
        yield
        return
    with trace.use_span(
        span, end_on_exit=True, record_exception=False, set_status_on_exception=False
    ):
        try:
            yield
        except BaseException as error:
            # The SDK wraps what the function raised.
            kind = error_name(type(error.__context__ or error))
            span.set_attribute(keys.ERROR_TYPE, kind)
            span.set_status(Status(StatusCode.ERROR, kind))
            raise


@guarded(lambda *_: None)
def _start_tool(source: SpanSource, function: Any) -> Span | None:
    if not source.is_enabled() or is_suppressed(context.get_current()):
        return None
    name = getattr(function, "__name__", type(function).__name__)
    return source.tracer.start_span(
        f"execute_tool {name}",
        kind=SpanKind.INTERNAL,
        attributes={
            keys.OPERATION_NAME: "execute_tool",
            "gen_ai.tool.name": name,
            "gen_ai.tool.type": "function",
        },
    )


def _around_requests(generate: Any, source: SpanSource) -> Any:
    """Put the requests and functions of one call below one root, if there is no span above."""
    names = tuple(inspect.signature(generate).parameters)

    def start(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Span | None:
        return _start_root(source, dict(zip(names, args, strict=False)) | kwargs)

    @functools.wraps(generate)
    def call(*args: Any, **kwargs: Any) -> Any:
        root = start(args, kwargs)
        if root is None:
            return generate(*args, **kwargs)
        with _current(root):
            result = generate(*args, **kwargs)
        if inspect.isgenerator(result):
            return _stream_below(root, result)
        root.end()
        return result

    @functools.wraps(generate)
    async def acall(*args: Any, **kwargs: Any) -> Any:
        root = start(args, kwargs)
        if root is None:
            return await generate(*args, **kwargs)
        with _current(root):
            result = await generate(*args, **kwargs)
        if inspect.isasyncgen(result):
            return _async_stream_below(root, result)
        root.end()
        return result

    return acall if inspect.iscoroutinefunction(generate) else call


@guarded(lambda *_: None)
def _start_root(source: SpanSource, arguments: dict[str, Any]) -> Span | None:
    here = context.get_current()
    if trace.get_current_span(here).get_span_context().is_valid:
        return None
    tools = pick(arguments.get("config"), "tools")
    calls_functions = any(map(callable, tools)) if isinstance(tools, list | tuple) else False
    if not calls_functions or is_suppressed(here) or not source.is_enabled():
        return None
    return source.tracer.start_span(ROOT_NAME, kind=SpanKind.INTERNAL)


@contextmanager
def _current(root: Span) -> Iterator[None]:
    """Make the root current, and end it where the call fails."""
    token = context.attach(trace.set_span_in_context(root))
    try:
        yield
    except BaseException as error:
        root.set_status(Status(StatusCode.ERROR, error_name(type(error))))
        root.end()
        raise
    finally:
        context.detach(token)


def _stream_below(root: Span, stream: Any) -> Iterator[Any]:
    try:
        while True:
            # Never across a yield: the caller's code has its own context.
            with _current(root):
                chunk = next(stream, _END)
            if chunk is _END:
                return
            yield chunk
    finally:
        stream.close()
        root.end()


async def _async_stream_below(root: Span, stream: Any) -> AsyncIterator[Any]:
    try:
        while True:
            with _current(root):
                chunk = await anext(stream, _END)
            if chunk is _END:
                return
            yield chunk
    finally:
        await stream.aclose()
        root.end()


_END: Any = object()

REPLACEMENTS = (
    *(
        Replacement(f"google.genai.models:{kind}.{method}", _around_requests)
        for kind in ("Models", "AsyncModels")
        for method in ("generate_content", "generate_content_stream")
    ),
    Replacement("google.genai._extra_utils:invoke_function_from_dict_args", _around_tool),
    Replacement("google.genai._extra_utils:invoke_function_from_dict_args_async", _around_tool),
)
