from __future__ import annotations

import time
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from spantoll.instrumentation.context import current_attributes
from spantoll.instrumentation.provider import Call, Endpoint
from spantoll.semconv import attributes as keys

__all__ = ["Invocation", "tracer"]

Value = str | bool | int | float | list[str]


def tracer() -> Tracer:
    """The tracer all spans of ours come from."""
    return trace.get_tracer(
        "spantoll.instrumentation", version("spantoll"), schema_url=keys.SCHEMA_URL
    )


class Invocation:
    """One model call while it runs: its span, and what was learnt of it so far."""

    __slots__ = ("_call", "_first_chunk", "_found", "_span", "_started")

    def __init__(
        self, tracer: Tracer, call: Call, endpoint: Endpoint, kwargs: Mapping[str, Any]
    ) -> None:
        found: dict[str, Any] = dict(_read(kwargs, call.request))
        model = found.get(keys.REQUEST_MODEL)
        found[keys.OPERATION_NAME] = call.operation
        found[keys.PROVIDER_NAME] = endpoint.provider
        if endpoint.address:
            found[keys.SERVER_ADDRESS] = endpoint.address
            if endpoint.port:
                found[keys.SERVER_PORT] = endpoint.port
        if call.is_stream(kwargs):
            found[keys.REQUEST_STREAM] = True
        found.update(current_attributes())
        self._span: Span | None = tracer.start_span(
            f"{call.operation} {model}" if model else call.operation,
            kind=SpanKind.CLIENT,
            attributes=found,
        )
        self._call = call
        self._found: dict[str, Any] = {}
        self._first_chunk: float | None = None
        self._started = time.perf_counter()

    @property
    def recording(self) -> bool:
        """Whether anybody will see the span."""
        return self._span is not None and self._span.is_recording()

    def answer(self, response: object) -> None:
        """Learn from a complete answer."""
        self._found.update(_read(response, self._call.response))

    def chunk(self, chunk: object) -> None:
        """Learn from one chunk of a stream."""
        if self._first_chunk is None:
            self._first_chunk = time.perf_counter() - self._started
        self._found.update(_read(chunk, self._call.chunk))

    def end(self, error: BaseException | None = None, *, complete: bool = True) -> None:
        """End the span; only the first call counts."""
        span, self._span = self._span, None
        if span is None:
            return
        found = self._found
        if self._first_chunk is not None:
            found[keys.RESPONSE_TIME_TO_FIRST_CHUNK] = self._first_chunk
        if (write := found.get(keys.USAGE_CACHE_WRITE)) is not None:
            found[keys.USAGE_CACHE_CREATION] = write
        if error is None or found:
            found[keys.SPANTOLL_USAGE_STATUS] = _usage_status(found, complete=complete)
        if error is not None:
            found[keys.ERROR_TYPE] = type(error).__qualname__
            span.set_status(Status(StatusCode.ERROR, str(error)[:1024]))
        span.set_attributes(found)
        span.end()


def _usage_status(found: Mapping[str, Any], *, complete: bool) -> str:
    told = keys.USAGE_OUTPUT_TOKENS in found or keys.USAGE_INPUT_TOKENS in found
    if not told:
        return "missing"
    return "reported" if complete else "partial"


def _read(source: object, paths: Mapping[str, str]) -> list[tuple[str, Value]]:
    """Read what a table of dotted paths names; `*` in a path collects from the items of a list."""
    found: list[tuple[str, Value]] = []
    for key, path in paths.items():
        value = source
        for step in path.split("."):
            value = _step(value, step)
            if value is None:
                break
        if isinstance(value, str | bool | int | float):
            found.append((key, value))
        elif isinstance(value, list) and (texts := [v for v in value if isinstance(v, str)]):
            found.append((key, texts))
    return found


def _step(value: object, step: str) -> object:
    if step == "*":
        return value
    if isinstance(value, Mapping):
        return value.get(step)
    if isinstance(value, list):
        return [_step(item, step) for item in value]
    return getattr(value, step, None)
