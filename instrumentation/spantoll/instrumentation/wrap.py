from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable
from types import CoroutineType
from typing import TYPE_CHECKING, Any, TypeVar

from opentelemetry import context, metrics, trace

from spantoll.instrumentation import abandoned, attribution, streams, suppression
from spantoll.instrumentation.guard import guarded
from spantoll.instrumentation.metrics import Instruments
from spantoll.instrumentation.spans import CallSpan
from spantoll.semconv.attributes import SCHEMA_URL

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.context import Context

    from spantoll.instrumentation.provider import Hook, Provider, Settings

__all__ = ["Emitter", "Tap", "is_real", "wrap"]

F = TypeVar("F", bound=Callable[..., Any])


def _nothing(*_: Any) -> None:
    return None


def _show(*_: Any) -> bool:
    return True


def _unseen(tap: Tap, result: Any, _: Hook) -> Any:
    tap.finish(complete=False)
    return result


class Tap(CallSpan):
    """A call's span as the host's code meets it: nothing it does raises or blocks."""

    __slots__ = ()

    see = guarded(_show)(CallSpan.see)
    overhear = guarded(_nothing)(CallSpan.overhear)
    response = guarded(_nothing)(CallSpan.response)
    finish = guarded(_nothing)(CallSpan.finish)
    fail = guarded(_nothing)(CallSpan.fail)

    @guarded(_nothing)
    def lease(self, holder: Any, *, complete: bool = False) -> None:
        """End the span when `holder` is gone, if nothing has ended it before.

        `complete` where all was told before the caller got to read anything.
        """
        self.finalizer = weakref.finalize(holder, _abandon, self, complete)

    def _close(self) -> bool:
        if self.finalizer is not None:
            self.finalizer.detach()
        return CallSpan._close(self)

    @guarded(_unseen)
    def opened(self, result: Any, hook: Hook) -> Any:
        """Look at what the SDK returned, and return what the caller gets."""
        self.answered = True
        request = self.request
        if request.stream or request.raw:
            if hook.open is not None:
                return hook.open(result, request, self)
            return streams.watch(result, self)
        CallSpan.response(self, result)
        CallSpan.finish(self)
        return result


def _abandon(tap: Tap, complete: bool) -> None:
    if not tap.ended:
        abandoned.unlocked(functools.partial(tap.finish, complete=complete))


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
        first_call: Callable[[], None] | None = None,
    ) -> None:
        self.on = True
        self.parents = True
        """Whether HTTP spans go below ours: not those of an application that samples otherwise."""
        self._settings = settings
        self._tracer_provider = tracer_provider
        self._meter_provider = meter_provider
        scope = f"spantoll.instrumentation.{provider.name}"
        self._tracer = trace.get_tracer(scope, version, tracer_provider, SCHEMA_URL)
        meter = metrics.get_meter(scope, version, meter_provider, SCHEMA_URL)
        self._instruments = Instruments(meter)
        self._traces: object = None
        self._meters: object = None
        self._wanted = self._measures = False
        self._first = first_call

    @property
    def traces(self) -> object:
        """The tracer provider that our spans go to at the moment."""
        return self._tracer_provider or trace.get_tracer_provider()

    def listens(self) -> bool:
        """Tell whether anybody wants to know of calls."""
        if not self.on:
            return False
        traces = self.traces
        meters = self._meter_provider or metrics.get_meter_provider()
        if traces is not self._traces or meters is not self._meters:
            self._traces, self._meters = traces, meters
            self.parents = self._tracer_provider in (None, trace.get_tracer_provider())
            self._measures = is_real(meters)
            self._wanted = self._measures or is_real(traces)
        return self._wanted

    def begin(self, hook: Hook, client: Any, arguments: dict[str, Any]) -> Tap | None:
        """Start the span of a call; None if this is none, or somebody else makes it."""
        if self._first is not None:
            first, self._first = self._first, None
            first()
        here = context.get_current()
        if suppression.suppressed(here):
            return None
        settings = self._settings
        request = hook.describe(client, arguments, settings)
        if request is None:
            return None
        return Tap(
            request,
            self._tracer,
            self._instruments if self._measures else None,
            here,
            attribution.current(here, from_baggage=settings.baggage),
            settings.content,
        )


def is_real(provider: Any) -> bool:
    """Tell whether a provider does anything: those of the API alone are placeholders."""
    return not type(provider).__module__.startswith(
        ("opentelemetry.trace", "opentelemetry.metrics")
    )


def _enter(tap: Tap, *, as_parent: bool) -> tuple[Context, Token[Context]]:
    """Make a span current while the SDK works on its request; never across a yield."""
    here = trace.set_span_in_context(tap.span, tap.here) if as_parent else tap.here
    inner = suppression.inside(here)
    return inner, context.attach(inner)


def _leave(inner: Context, token: Token[Context]) -> None:
    # A coroutine that is thrown away is closed in whatever context that happens.
    if context.get_current() is inner:
        context.detach(token)


def wrap(function: F, hook: Hook, emitter: Emitter) -> F:
    """Wrap an SDK function, sync or async, so that each call makes one span."""
    names = tuple(inspect.signature(function).parameters)
    of_object = "." in hook.path

    @guarded(_nothing)
    def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tap | None:
        if not emitter.listens():
            return None
        arguments = dict(zip(names, args, strict=False))
        arguments.update(kwargs)
        tap = emitter.begin(hook, args[0] if of_object else None, arguments)
        if tap is not None and tap.request.override:
            kwargs.update(tap.request.override)
        return tap

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        tap = begin(args, kwargs)
        if tap is None:
            return function(*args, **kwargs)
        inner, token = _enter(tap, as_parent=emitter.parents)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            tap.fail(error)
            raise
        finally:
            _leave(inner, token)
        if type(result) is CoroutineType:
            return finished(lambda: result, tap)
        return tap.opened(result, hook)

    async def finished(start: Callable[[], Any], tap: Tap) -> Any:
        inner, token = _enter(tap, as_parent=emitter.parents)
        try:
            result = await start()
        except BaseException as error:
            tap.fail(error)
            raise
        finally:
            _leave(inner, token)
        return tap.opened(result, hook)

    @functools.wraps(function)
    async def acall(*args: Any, **kwargs: Any) -> Any:
        tap = begin(args, kwargs)
        if tap is None:
            return await function(*args, **kwargs)
        return await finished(lambda: function(*args, **kwargs), tap)

    return acall if inspect.iscoroutinefunction(function) else call  # type: ignore[return-value]  # wraps
