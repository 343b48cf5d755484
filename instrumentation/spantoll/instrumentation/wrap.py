"""Wraps an SDK function so that each call makes one span; the only code that stands in a call's
path.

Input: a `Hook` and the original function. Output: a function with the same signature and behaviour.
Whatever fails in SpanToll is logged by `guarded` and never reaches the application.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable
from types import CoroutineType
from typing import TYPE_CHECKING, Any, TypeVar

from opentelemetry import _logs, context, metrics, trace

from spantoll.instrumentation import abandoned, attribution, streams, suppression
from spantoll.instrumentation.call_events import CallEvents
from spantoll.instrumentation.guard import guarded
from spantoll.instrumentation.metrics import make_instruments
from spantoll.instrumentation.provider import Request
from spantoll.instrumentation.spans import CallSpan, Outputs
from spantoll.semconv.attributes import ERROR_TYPE, SCHEMA_URL

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.context import Context

    from spantoll.instrumentation.provider import DeferredResult, Hook, Provider, Settings

__all__ = ["Emitter", "GuardedSpan", "is_real", "wrap"]

F = TypeVar("F", bound=Callable[..., Any])

_METRICS = metrics.get_meter_provider.__globals__
"""The names of the module that has the function: its `__module__` is that of the package."""


def _find_meter_provider() -> object:
    """Return the global meter provider, None if none is set.

    Where none is set, `metrics.get_meter_provider` looks for OTEL_PYTHON_METER_PROVIDER in the
    environment: 1 us per call. That variable has been read by then, when the meter was made.
    """
    try:
        return _METRICS["_METER_PROVIDER"]
    except KeyError:
        return metrics.get_meter_provider()


def _return_none(*_: Any) -> None:
    return None


def _return_true(*_: Any) -> bool:
    return True


def _return_result(observer: GuardedSpan, result: Any, _: Hook) -> Any:
    observer.finish(complete=False)
    return result


class GuardedSpan(CallSpan):
    """The `Observer` of a call: no method raises into the application, none blocks."""

    __slots__ = ()

    observe_chunk = guarded(_return_true)(CallSpan.observe_chunk)
    observe_event = guarded(_return_none)(CallSpan.observe_event)
    observe_response = guarded(_return_none)(CallSpan.observe_response)
    finish = guarded(_return_none)(CallSpan.finish)
    fail = guarded(_return_none)(CallSpan.fail)

    @guarded(_return_none)
    def end_with(self, holder: Any, *, complete: bool = False) -> None:
        """End the span when `holder` is collected, if nothing has ended it before.

        `complete` where every value was there before the caller could read anything.
        """
        self.finalizer = weakref.finalize(holder, _end_abandoned, self, complete)

    @guarded(_return_none)
    def finish_with(self, result: DeferredResult) -> None:
        """Read a result that is there already, and end the span."""
        if result.error is not None:
            self.set_value(ERROR_TYPE, result.error)
        if result.body is not None:
            CallSpan.observe_response(self, result.body)
        CallSpan.finish(self)

    @guarded(_return_none)
    def add_call(self, result: DeferredResult) -> None:
        """Record a request that the service made for this call, as a span below this one."""
        here = trace.set_span_in_context(self.span, self.here)
        request = Request(
            result.call,
            {},
            self.request.server,
            attributes={**(self.request.attributes or {}), **(result.attributes or {})},
            time_ns=result.created_s * 1_000_000_000 if result.created_s else None,
        )
        # No metrics: how long the service waited for its model is not known.
        outputs = self._outputs._replace(instruments=None)
        span = GuardedSpan(request, outputs, here, self._attribution, self._settings)
        span.finish_with(result)

    @guarded(_return_result)
    def opened(self, result: Any, hook: Hook) -> Any:
        """Read what the SDK returned, and return what the caller gets."""
        self.answered = True
        request = self.request
        if request.stream or request.raw:
            if hook.open is not None:
                return hook.open(result, request, self)
            return streams.watch(result, self)
        CallSpan.observe_response(self, result)
        CallSpan.finish(self)
        return result


def _end_abandoned(observer: GuardedSpan, complete: bool) -> None:
    if not observer.ended:
        abandoned.run_unlocked(functools.partial(observer.finish, complete=complete))


class Emitter:
    """Makes the spans of one provider's calls, until it is switched off."""

    def __init__(
        self,
        provider: Provider,
        settings: Settings,
        *,
        version: str,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
        logger_provider: _logs.LoggerProvider | None = None,
        first_call: Callable[[], None] | None = None,
    ) -> None:
        self.on = True
        self.parents = True
        """Whether HTTP spans go below ours: not those of an application that samples otherwise."""
        self.settings = settings
        self._tracer_provider = tracer_provider
        self._meter_provider = meter_provider
        self._logger_provider = logger_provider
        scope = f"spantoll.instrumentation.{provider.name}"
        self._scope = (scope, version)
        self.tracer = self.make_tracer()
        meter = metrics.get_meter(scope, version, meter_provider, SCHEMA_URL)
        self._instruments = make_instruments(
            meter, today=settings.metrics_today, latest=settings.metrics_latest
        )
        logger = _logs.get_logger(scope, version, logger_provider, SCHEMA_URL)
        events = CallEvents(logger, settings.usage_logs, settings.content_events)
        self._events = events if events.usage or events.details else None
        self._providers: tuple[object, ...] = ()
        self.outputs = Outputs(self.tracer, None, None)
        """The current destination of spans, metrics and log records."""
        self._wanted = False
        self._first = first_call

    @property
    def tracer_provider(self) -> object:
        """The current tracer provider, which spans go to."""
        return self._tracer_provider or trace.get_tracer_provider()

    def make_tracer(self) -> trace.Tracer:
        """Return a tracer of this provider's scope."""
        return trace.get_tracer(*self._scope, self._tracer_provider, SCHEMA_URL)

    def is_enabled(self) -> bool:
        """Return whether a provider of traces, metrics or logs would get anything."""
        if not self.on:
            return False
        providers = (
            self._tracer_provider or trace.get_tracer_provider(),
            self._meter_provider or _find_meter_provider(),
            self._events and (self._logger_provider or _logs.get_logger_provider()),
        )
        if providers != self._providers:
            self._find_outputs(*providers)
        return self._wanted

    def _find_outputs(self, traces: object, meters: object, loggers: object) -> None:
        self._providers = (traces, meters, loggers)
        self.parents = self._tracer_provider in (None, trace.get_tracer_provider())
        self.outputs = Outputs(
            self.tracer,
            self._instruments if is_real(meters) else None,
            self._events if is_real(loggers) else None,
        )
        self._wanted = is_real(traces) or self.outputs[1:] != (None, None)

    def start_span(self, hook: Hook, client: Any, arguments: dict[str, Any]) -> GuardedSpan | None:
        """Start the span of a call; None if it is no model call, or suppressed."""
        if self._first is not None:
            first, self._first = self._first, None
            first()
        here = context.get_current()
        if suppression.is_suppressed(here):
            return None
        settings = self.settings
        request = hook.describe(client, arguments, settings)
        if request is None:
            return None
        return GuardedSpan(
            request,
            self.outputs,
            here,
            attribution.current_attributes(here, from_baggage=settings.baggage),
            settings,
        )


def is_real(provider: object) -> bool:
    """Return whether a provider does anything: those of the API alone are placeholders."""
    return provider is not None and not type(provider).__module__.startswith(
        ("opentelemetry.trace", "opentelemetry.metrics", "opentelemetry._logs")
    )


def _enter(observer: GuardedSpan, *, as_parent: bool) -> tuple[Context, Token[Context]]:
    """Make a span current while the SDK works on its request; never across a yield."""
    inner = suppression.suppress_in(observer.here, observer.span if as_parent else None)
    return inner, context.attach(inner)


def _leave(inner: Context, token: Token[Context]) -> None:
    # A coroutine that is dropped is closed in another context.
    if context.get_current() is inner:
        context.detach(token)


def wrap(function: F, hook: Hook, emitter: Emitter) -> F:
    """Wrap an SDK function, sync or async, so that each call makes one span."""
    names = tuple(inspect.signature(function).parameters)
    is_method = "." in hook.path

    @guarded(_return_none)
    def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> GuardedSpan | None:
        if not emitter.is_enabled():
            return None
        arguments = {**dict(zip(names, args, strict=False)), **kwargs}
        observer = emitter.start_span(hook, args[0] if is_method else None, arguments)
        if observer is not None and observer.request.override:
            kwargs.update(observer.request.override)
        return observer

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        observer = begin(args, kwargs)
        if observer is None:
            return function(*args, **kwargs)
        inner, token = _enter(observer, as_parent=emitter.parents)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            observer.fail(error)
            raise
        finally:
            _leave(inner, token)
        if type(result) is CoroutineType:
            return finished(lambda: result, observer)
        return observer.opened(result, hook)

    async def finished(start: Callable[[], Any], observer: GuardedSpan) -> Any:
        inner, token = _enter(observer, as_parent=emitter.parents)
        try:
            result = await start()
        except BaseException as error:
            observer.fail(error)
            raise
        finally:
            _leave(inner, token)
        return observer.opened(result, hook)

    @functools.wraps(function)
    async def acall(*args: Any, **kwargs: Any) -> Any:
        observer = begin(args, kwargs)
        if observer is None:
            return await function(*args, **kwargs)
        return await finished(lambda: function(*args, **kwargs), observer)

    return acall if inspect.iscoroutinefunction(function) else call  # type: ignore[return-value]  # wraps
