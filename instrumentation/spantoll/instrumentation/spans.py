"""The span of one model call: what goes on it at its start, what is added, how it ends.

Input: a `Request`, then chunks or a response. Output: one OpenTelemetry span and its metrics, with
the attributes of the GenAI convention and `spantoll.usage.status` (reported, partial or missing).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import chain, pairwise
from typing import Any, NamedTuple

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer

from spantoll.instrumentation import submissions
from spantoll.instrumentation.call_events import CallEvents
from spantoll.instrumentation.caller import set_caller
from spantoll.instrumentation.metrics import Instruments, Timing
from spantoll.instrumentation.provider import DeferredResult, Request, Server, Settings
from spantoll.instrumentation.reading import plain
from spantoll.semconv import attributes as keys

__all__ = ["CallSpan", "Outputs"]

_USAGE = ("gen_ai.usage.", "spantoll.usage.")
LONGEST_MESSAGE = 256
MOST_CHUNK_TIMES = 10_000
"""Chunks of a stream whose times are kept for metrics: 320 kB at most."""


def _is_usage(key: str) -> bool:
    return key.startswith(_USAGE)


class Outputs(NamedTuple):
    """Where the calls of a provider are recorded."""

    tracer: Tracer
    instruments: Instruments | None
    """None where no meter provider would get anything."""
    events: CallEvents | None
    """None where no log record is switched on, or no logger provider would get it."""


@lru_cache(maxsize=512)
def _server_attributes(server: Server) -> Mapping[str, Any]:
    values: dict[str, Any] = {keys.PROVIDER_NAME: server.provider}
    if server.address:
        values[keys.SERVER_ADDRESS] = server.address
        if server.port:
            values[keys.SERVER_PORT] = server.port
    return values


def _read_request(
    request: Request, attribution: Mapping[str, Any], settings: Settings
) -> dict[str, Any]:
    """Return the attributes known before the call; `attributes()` wins over the request."""
    call = request.call
    values: dict[str, Any] = {
        keys.OPERATION_NAME: call.operation,
        **_server_attributes(request.server),
        **call.read_request(request.body),
        **call.constant,
    }
    if request.stream:
        values[keys.REQUEST_STREAM] = True
    if request.attributes:
        values.update(request.attributes)
    if call.caller:
        set_caller(values, settings.caller_fields)
    if attribution:
        values.update(attribution)
    return values


class CallSpan:
    """The span of one model call, from the request to however it ends.

    Ends exactly once, from any thread. Reading may raise: `wrap.GuardedSpan` guards each method.
    """

    __slots__ = (
        "_attribution",
        "_chunk_times",
        "_content",
        "_content_chunks",
        "_has_values",
        "_is_recorded",
        "_open",
        "_outputs",
        "_reads",
        "_request_values",
        "_settings",
        "_started",
        "_values",
        "answered",
        "finalizer",
        "first_chunk_s",
        "here",
        "left_ns",
        "request",
        "span",
    )

    def __init__(
        self,
        request: Request,
        outputs: Outputs,
        here: Context,
        attribution: Mapping[str, Any],
        settings: Settings,
    ) -> None:
        call = request.call
        values = _read_request(request, attribution, settings)
        self._content_chunks: list[Any] | None = None
        self._has_values = call.has_values
        self._content: dict[str, Any] = {}
        if settings.content or settings.content_events:
            self._content_chunks = []
            # Every chunk has content.
            self._has_values = None
            if call.messages is not None:
                self._content.update(call.messages(request.body))
        model = values.get(keys.REQUEST_MODEL)
        self.request = request
        self._request_values = values
        self._values: dict[str, Any] = {}
        self._outputs = outputs
        self._attribution = attribution
        self._settings = settings
        self._open = [True]
        self.finalizer: Any = None
        self.first_chunk_s: float | None = None
        measures = outputs.instruments is not None
        self._chunk_times: list[float] | None = [] if measures and request.stream else None
        self.left_ns = request.time_ns
        self.answered = False
        """Whether the provider took the request, also where the answer then failed."""
        self.here = here
        self._started = time.perf_counter()
        self.span: Span = outputs.tracer.start_span(
            f"{call.operation} {model}" if model else call.operation,
            context=here,
            kind=SpanKind.CLIENT,
            attributes={**values, **self._content} if settings.content else values,
            links=request.links or None,
            start_time=request.time_ns,
        )
        # A stream may live long; the caller's messages need not live with it.
        request.body = None
        self._is_recorded = measures or outputs.events is not None
        self._reads = self._is_recorded or self.span.is_recording()

    @property
    def ended(self) -> bool:
        """Whether the span has ended."""
        return not self._open

    @property
    def captures_content(self) -> bool:
        """Whether the application asked for content, so that every chunk matters."""
        return self._content_chunks is not None

    def observe_chunk(self, chunk: Any) -> bool:
        """Read a chunk of the stream; False if the caller must not get it."""
        if self._chunk_times is not None and len(self._chunk_times) < MOST_CHUNK_TIMES:
            self._chunk_times.append(time.perf_counter())
        if self.first_chunk_s is None:
            self.first_chunk_s = time.perf_counter() - self._started
        elif self._has_values is not None and not self._may_have_values(chunk):
            return True
        if self._content_chunks is not None:
            self._content_chunks.append(chunk)
        self._read_chunk(chunk)
        hidden = self.request.hidden
        return hidden is None or not hidden(chunk)

    def _may_have_values(self, chunk: Any) -> bool:
        try:
            return bool(self._has_values(chunk))  # type: ignore[misc]  # only called where it is set
        except AttributeError:
            # A low-level call (`client.post`) has its chunks in a type of the caller's, as dicts.
            return True

    def observe_event(self, chunk: Any) -> None:
        """Read a chunk that the caller reads from the wire itself."""
        if self.first_chunk_s is None:
            self.first_chunk_s = time.perf_counter() - self._started
        self._read_chunk(chunk)

    def observe_response(self, response: Any) -> None:
        """Read a complete response."""
        if self._reads:
            call = self.request.call
            self._merge(call.read_response(response))
            if self._content_chunks is not None and call.answers is not None:
                self._content.update(call.answers(response))

    def set_value(self, key: str, value: Any) -> None:
        """Set an attribute that no table can reach; None sets nothing."""
        if value is not None:
            self._values[key] = value

    def mark_left(self) -> None:
        """Record that the caller left its loop: the span ends at this time, if it ends later."""
        self.left_ns = time.time_ns()

    def finish(self, *, complete: bool = True) -> None:
        """End the span; an incomplete stream keeps the values it had."""
        if not self._close():
            return
        refused = self._values.get(keys.ERROR_TYPE)
        try:
            if self._reads:
                self._settle(complete=complete, failed=refused is not None)
            if refused is not None:
                # The provider reported the failure inside a response with a good status.
                self.span.set_status(Status(StatusCode.ERROR, str(refused)))
        finally:
            self.span.end(self.left_ns)

    def fail(self, error: BaseException) -> None:
        """End the span with an error, keeping the values that came before it."""
        if not self._close():
            return
        name = error_name(type(error))
        # Only the API's own message is free of content: a validation error quotes it.
        from_api = isinstance(getattr(error, "status_code", None), int)
        message = str(error)[:LONGEST_MESSAGE] if from_api else name
        try:
            self.span.set_status(Status(StatusCode.ERROR, message))
            self._values[keys.ERROR_TYPE] = name
            if self._reads:
                if self.request.kept is not None:
                    self._merge(self.request.call.read_response(self.request.kept))
                self._settle(complete=False, failed=True)
        finally:
            self.span.end()

    def _close(self) -> bool:
        if self.finalizer is not None:
            self.finalizer.detach()
        try:
            # list.pop is atomic: two threads cannot both end the span.
            return self._open.pop()
        except IndexError:
            return False

    def _read_chunk(self, chunk: Any) -> None:
        if self._reads:
            self._merge(self.request.call.read_chunk(chunk))

    def _merge(self, values: dict[str, Any]) -> None:
        refine = self.request.call.refine
        if refine is not None:
            refine(values)
        reasons = values.get(keys.RESPONSE_FINISH_REASONS)
        if type(reasons) is dict:
            known = self._values.get(keys.RESPONSE_FINISH_REASONS, {})
            values[keys.RESPONSE_FINISH_REASONS] = {**known, **reasons}
        self._values.update(values)

    def _settle(self, *, complete: bool, failed: bool) -> None:
        values = self._values
        call = self.request.call
        if self.request.late:
            values.update(self.request.late)
        if call.conclude is not None:
            call.conclude(values)
        reasons = values.get(keys.RESPONSE_FINISH_REASONS)
        if self.first_chunk_s is not None:
            values[keys.RESPONSE_TIME_TO_FIRST_CHUNK] = self.first_chunk_s
            if not reasons:
                values.pop(keys.RESPONSE_FINISH_REASONS, None)
                if not complete:
                    # "missing, cancelled or aborted -> error" (gen_ai.response.finish_reasons).
                    values[keys.RESPONSE_FINISH_REASONS] = ("error",)
            elif type(reasons) is dict:
                values[keys.RESPONSE_FINISH_REASONS] = tuple(
                    plain(reasons.get(index)) or "error" for index in range(max(reasons) + 1)
                )
        if keys.USAGE_CACHE_WRITE in values:
            values[keys.USAGE_CACHE_CREATION] = values[keys.USAGE_CACHE_WRITE]
        if call.submits is not None and call.submits in values:
            submissions.add(values[call.submits], self.span.get_span_context(), self._attribution)
        if call.billed:
            has_usage = keys.USAGE_INPUT_TOKENS in values or any(
                map(_is_usage, chain(values, self._request_values))
            )
            whole = complete or (reasons and keys.USAGE_OUTPUT_TOKENS in values)
            if has_usage:
                values[keys.SPANTOLL_USAGE_STATUS] = "reported" if whole else "partial"
            elif not failed or self.answered:
                values[keys.SPANTOLL_USAGE_STATUS] = "missing"
        if self._content_chunks and call.stream_answers is not None:
            self._content.update(call.stream_answers(self._content_chunks))
        beside = list(call.beside(values)) if call.beside is not None else ()
        self.span.set_attributes(values)
        if self._content and self._settings.content:
            self.span.set_attributes(self._content)
        if self._is_recorded:
            self._record(time.perf_counter() - self._started)
        for result in beside:
            self._record_beside(result)

    def _record_beside(self, result: DeferredResult) -> None:
        """Record a request to another model as a span beside this one: not below it, since the
        totals of a call with spans below it are taken for the sum of theirs."""
        shared = self.request.attributes or {}
        request = Request(
            result.call,
            {},
            self.request.server,
            attributes={**shared, **(result.attributes or {})},
            links=[Link(self.span.get_span_context())],
            time_ns=self.request.time_ns or getattr(self.span, "start_time", None),
        )
        # No metrics: how long the request took is not known.
        outputs = self._outputs._replace(instruments=None)
        beside = CallSpan(request, outputs, self.here, self._attribution, self._settings)
        beside.left_ns = self.request.time_ns
        beside.observe_response(result.body)
        beside.finish()

    def _gaps_between_chunks(self) -> list[float]:
        times = self._chunk_times or ()
        return [later - earlier for earlier, later in pairwise(times)]

    def _record(self, duration_s: float) -> None:
        _, instruments, events = self._outputs
        if instruments is not None:
            timing = Timing(duration_s, self.first_chunk_s, self._gaps_between_chunks())
            instruments.record(self._request_values, self._values, timing)
        if events is not None:
            events.emit(
                {**self._request_values, **self._values},
                self._content,
                span=self.span,
                here=self.here,
                duration_s=duration_s,
            )


HIDDEN = frozenset({"builtins", "botocore.errorfactory"})
"""Modules no name needs: botocore makes the errors of a service as it goes."""
_names: dict[type, str] = {}


def error_name(kind: type[BaseException]) -> str:
    """Name an exception as people import it: `openai.RateLimitError`, `TimeoutError`."""
    name = _names.get(kind)
    if name is None:
        module = kind.__module__
        package = module.partition(".")[0]
        public: Callable[..., Any] | None = getattr(_module(package), kind.__name__, None)
        where = "" if module in HIDDEN else f"{package if public is kind else module}."
        name = _names[kind] = f"{where}{kind.__qualname__}"
    return name


def _module(name: str) -> Any:
    import sys

    return sys.modules.get(name)
