"""Results of calls that were made earlier: each becomes one span when the application reads it.

Input: what a `DeferredReader` function of an SDK returned: results of a batch job, or a response
that was made in the background. Output: a span per result. Its trace and span id are a hash of the
provider's ids, so that reading a result twice, in whatever process, makes the same span, and the
ledger bills it once.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import Any, TypeVar

from opentelemetry import context, trace
from opentelemetry.trace import Link

from spantoll.instrumentation import attribution, streams, submissions, suppression
from spantoll.instrumentation.guard import guarded
from spantoll.instrumentation.provider import (
    DeferredReader,
    DeferredResult,
    DeferredSource,
    Request,
)
from spantoll.instrumentation.spans import Outputs
from spantoll.instrumentation.wrap import Emitter, GuardedSpan
from spantoll.semconv import attributes as keys

__all__ = ["wrap_reader"]

F = TypeVar("F", bound=Callable[..., Any])


def wrap_reader(function: F, reader: DeferredReader, emitter: Emitter) -> F:
    """Wrap an SDK function, sync or async, that returns results of a batch."""
    names = tuple(inspect.signature(function).parameters)

    @guarded(lambda result, *_: result)
    def read(result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if reader.has_results is not None and not reader.has_results(result):
            return result
        if not emitter.is_enabled() or suppression.is_suppressed(context.get_current()):
            return result
        arguments = dict(zip(names, args, strict=False)) | kwargs
        source = reader.describe(args[0], arguments, emitter.settings)
        if source is None:
            return result
        if source.streamed:
            return streams.watch(result, _ResultObserver(reader, source, emitter))
        if reader.results_of_body is not None:
            observer = _ResultObserver(reader, source, emitter)
            reader.collect(result, observer, observer.take_body)
            return result
        for found in reader.results(result, source):
            record_result(found, source, emitter)
        return result

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        return (
            wait(result, args, kwargs)
            if inspect.isawaitable(result)
            else read(result, args, kwargs)
        )

    async def wait(result: Awaitable[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return read(await result, args, kwargs)

    @functools.wraps(function)
    async def acall(*args: Any, **kwargs: Any) -> Any:
        return read(await function(*args, **kwargs), args, kwargs)

    return acall if inspect.iscoroutinefunction(function) else call  # type: ignore[return-value]  # wraps


def record_result(result: DeferredResult, source: DeferredSource, emitter: Emitter) -> None:
    """Record one result of a batch as a span that ended when the provider made it."""
    submission = submissions.find(source.origin_id)
    here = context.get_current()
    current = attribution.current_attributes(here, from_baggage=emitter.settings.baggage)
    values: dict[str, Any] = {}
    if source.batch:
        batch_id = submission.batch_id or source.origin_id
        values[keys.SPANTOLL_BATCH] = True
        values[keys.SPANTOLL_METADATA_PREFIX + "batch_id"] = batch_id
    if result.custom_id:
        values[keys.SPANTOLL_METADATA_PREFIX + "batch_custom_id"] = result.custom_id
    span = GuardedSpan(
        Request(
            result.call,
            {},
            source.server,
            attributes={**values, **(source.attributes or {}), **(result.attributes or {})},
            links=[Link(submission.span)] if submission.span is not None else (),
            time_ns=result.created_s * 1_000_000_000 if result.created_s else None,
        ),
        # No metrics: a duration would be that of reading, and reading twice would count twice.
        Outputs(_tracer_of(source, result, emitter), None, emitter.outputs.events),
        context.Context(),
        {**submission.attribution, **current},
        emitter.settings,
    )
    span.finish_with(result)


class _Ids:
    """Ids for a span and those beside it, as an `IdGenerator` of the OpenTelemetry SDK returns
    them."""

    def __init__(self, *parts: str) -> None:
        self._parts = parts
        self._made = 0
        # An id of zeroes is invalid.
        self._trace_id = int.from_bytes(self._hash(*parts)[:16]) or 1

    def generate_trace_id(self) -> int:
        return self._trace_id

    def generate_span_id(self) -> int:
        parts = (*self._parts, str(self._made)) if self._made else self._parts
        self._made += 1
        return int.from_bytes(self._hash(*parts)[16:]) or 1

    @staticmethod
    def _hash(*parts: str) -> bytes:
        return blake2b("\0".join(parts).encode(), digest_size=24).digest()

    def is_trace_id_random(self) -> bool:
        # A hash is as evenly distributed as random bits, which is what samplers need.
        return True


def _tracer_of(source: DeferredSource, result: DeferredResult, emitter: Emitter) -> trace.Tracer:
    """Return a tracer whose next span has the ids of a result.

    The API has no way to choose ids, the SDK's tracers have an `id_generator`. Without one the ids
    are random, and a ledger recognises the result by its response id only.
    """
    tracer = emitter.make_tracer()
    if hasattr(tracer, "id_generator"):
        tracer = copy.copy(tracer)
        origin = "" if result.is_unique else source.origin_id
        tracer.id_generator = _Ids(source.server.provider, origin, result.result_id)
    return tracer


class _ResultObserver:
    """Records each result of a stream of results; the stream itself has no span."""

    ended = False
    captures_content = False

    def __init__(self, reader: DeferredReader, source: DeferredSource, emitter: Emitter) -> None:
        self._reader = reader
        self._source = source
        self._emitter = emitter

    @guarded(lambda *_: True)
    def observe_chunk(self, item: Any) -> bool:
        read = self._reader.result_of_item
        result = read(item) if read is not None else None
        if result is not None:
            record_result(result, self._source, self._emitter)
        return True

    @guarded(lambda *_: None)
    def take_body(self, body: bytes) -> None:
        """Record the results in a file."""
        if self._reader.results_of_body is not None:
            for found in self._reader.results_of_body(body):
                record_result(found, self._source, self._emitter)

    def observe_event(self, chunk: Any) -> None: ...

    def observe_response(self, response: Any) -> None: ...

    def set_value(self, key: str, value: Any) -> None: ...

    def add_call(self, result: DeferredResult) -> None: ...

    def mark_left(self) -> None: ...

    def end_with(self, holder: Any, *, complete: bool = False) -> None: ...

    def finish(self, *, complete: bool = True) -> None: ...

    def fail(self, error: BaseException) -> None: ...
