from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from spantoll.instrumentation.reading import plain
from spantoll.semconv import attributes as keys

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Tracer

    from spantoll.instrumentation.metrics import Instruments
    from spantoll.instrumentation.provider import Request

__all__ = ["CallSpan"]

_USAGE = ("gen_ai.usage.", "spantoll.usage.")
LONGEST_MESSAGE = 256


def _is_usage(key: str) -> bool:
    return key.startswith(_USAGE)


class CallSpan:
    """The span of one model call, from the request to however it ends.

    Ends exactly once, from any thread. Not safe against errors in what it is shown: `wrap.Tap` is.
    """

    __slots__ = (
        "_asked",
        "_found",
        "_heard",
        "_instruments",
        "_notable",
        "_open",
        "_reads",
        "_started",
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
        tracer: Tracer,
        instruments: Instruments | None,
        here: Context,
        told: Mapping[str, Any],
        content: bool,
    ) -> None:
        call, server = request.call, request.server
        asked: dict[str, Any] = {
            keys.OPERATION_NAME: call.operation,
            keys.PROVIDER_NAME: server.provider,
        }
        asked.update(call.read_request(request.body))
        if call.constant:
            asked.update(call.constant)
        if server.address:
            asked[keys.SERVER_ADDRESS] = server.address
            if server.port:
                asked[keys.SERVER_PORT] = server.port
        if request.stream:
            asked[keys.REQUEST_STREAM] = True
        if request.attributes:
            asked.update(request.attributes)
        if told:
            asked.update(told)
        self._heard: list[Any] | None = None
        self._notable = call.notable
        if content:
            self._heard = []
            # Every chunk has something to say then.
            self._notable = None
            if call.messages is not None:
                asked.update(call.messages(request.body))
        model = asked.get(keys.REQUEST_MODEL)
        self.request = request
        self._asked = asked
        self._found: dict[str, Any] = {}
        self._instruments = instruments
        self._open = [True]
        self.finalizer: Any = None
        self.first_chunk_s: float | None = None
        self.left_ns: int | None = None
        self.answered = False
        """Whether the provider took the request, whatever came of it then."""
        self.here = here
        self._started = time.perf_counter()
        self.span: Span = tracer.start_span(
            f"{call.operation} {model}" if model else call.operation,
            context=here,
            kind=SpanKind.CLIENT,
            attributes=asked,
        )
        # A stream may live long; the caller's messages need not live with it.
        request.body = None
        self._reads = self.span.is_recording() or instruments is not None

    @property
    def ended(self) -> bool:
        """Whether the span is out of our hands."""
        return not self._open

    @property
    def listens(self) -> bool:
        """Whether the application asked for content, so that every chunk matters."""
        return self._heard is not None

    def see(self, chunk: Any) -> bool:
        """Look at a chunk of the stream; False if the caller shall not get it."""
        if self.first_chunk_s is None:
            self.first_chunk_s = time.perf_counter() - self._started
        elif self._notable is not None and not self._notable(chunk):
            return True
        if self._heard is not None:
            self._heard.append(chunk)
        self._tell(chunk)
        hidden = self.request.hidden
        return hidden is None or not hidden(chunk)

    def overhear(self, chunk: Any) -> None:
        """Look at a chunk that the caller reads from the wire itself."""
        if self.first_chunk_s is None:
            self.first_chunk_s = time.perf_counter() - self._started
        self._tell(chunk)

    def response(self, response: Any) -> None:
        """Look at a complete response."""
        if self._reads:
            self._merge(self.request.call.read_response(response))
            if self._heard is not None and self.request.call.answers is not None:
                self._found.update(self.request.call.answers(response))

    def note(self, key: str, value: Any) -> None:
        """Add what a table cannot reach."""
        if value is not None:
            self._found[key] = value

    def left(self) -> None:
        """Remember when the caller stopped listening; the span may end much later."""
        self.left_ns = time.time_ns()

    def finish(self, *, complete: bool = True) -> None:
        """End the span; an incomplete stream keeps what it told."""
        if not self._close():
            return
        refused = self._found.get(keys.ERROR_TYPE)
        try:
            self._settle(complete=complete, failed=refused is not None)
            if refused is not None:
                # The provider told the failure inside a response that came well.
                self.span.set_status(Status(StatusCode.ERROR, str(refused)))
        finally:
            self.span.end(self.left_ns)

    def fail(self, error: BaseException) -> None:
        """End the span with an error, keeping what was told before it."""
        if not self._close():
            return
        name = error_name(type(error))
        # Only what the API itself says is free of content: a validation error quotes it.
        told = isinstance(getattr(error, "status_code", None), int)
        message = str(error)[:LONGEST_MESSAGE] if told else name
        try:
            self.span.set_status(Status(StatusCode.ERROR, message))
            self._found[keys.ERROR_TYPE] = name
            if self.request.kept is not None:
                self._merge(self.request.call.read_response(self.request.kept))
            self._settle(complete=False, failed=True)
        finally:
            self.span.end()

    def _close(self) -> bool:
        try:
            # list.pop is atomic: two threads cannot both end the span.
            return self._open.pop()
        except IndexError:
            return False

    def _tell(self, chunk: Any) -> None:
        if self._reads:
            self._merge(self.request.call.read_chunk(chunk))

    def _merge(self, told: dict[str, Any]) -> None:
        refine = self.request.call.refine
        if refine is not None:
            refine(told)
        reasons = told.get(keys.RESPONSE_FINISH_REASONS)
        if type(reasons) is dict:
            known = self._found.get(keys.RESPONSE_FINISH_REASONS, {})
            told[keys.RESPONSE_FINISH_REASONS] = {**known, **reasons}
        self._found.update(told)

    def _settle(self, *, complete: bool, failed: bool) -> None:
        found = self._found
        if not self._reads:
            return
        conclude = self.request.call.conclude
        if conclude is not None:
            conclude(found)
        reasons = found.get(keys.RESPONSE_FINISH_REASONS)
        if self.first_chunk_s is not None:
            found[keys.RESPONSE_TIME_TO_FIRST_CHUNK] = self.first_chunk_s
            if not reasons:
                found.pop(keys.RESPONSE_FINISH_REASONS, None)
                if not complete:
                    # "missing, cancelled or aborted -> error" (gen_ai.response.finish_reasons).
                    found[keys.RESPONSE_FINISH_REASONS] = ("error",)
            elif type(reasons) is dict:
                found[keys.RESPONSE_FINISH_REASONS] = tuple(
                    plain(reasons.get(index)) or "error" for index in range(max(reasons) + 1)
                )
        if keys.USAGE_CACHE_WRITE in found:
            found[keys.USAGE_CACHE_CREATION] = found[keys.USAGE_CACHE_WRITE]
        if self.request.call.billed:
            told = keys.USAGE_INPUT_TOKENS in found or any(
                map(_is_usage, chain(found, self._asked))
            )
            whole = complete or (reasons and keys.USAGE_OUTPUT_TOKENS in found)
            if told:
                found[keys.SPANTOLL_USAGE_STATUS] = "reported" if whole else "partial"
            elif not failed or self.answered:
                found[keys.SPANTOLL_USAGE_STATUS] = "missing"
        if self._heard and self.request.call.stream_answers is not None:
            found.update(self.request.call.stream_answers(self._heard))
        self.span.set_attributes(found)
        if self._instruments is not None:
            self._instruments.record(
                self._asked, found, time.perf_counter() - self._started, self.first_chunk_s
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
