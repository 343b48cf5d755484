"""What streams, bodies and replacements see of a call's span, without knowing its class.

`wrap.GuardedSpan` is the `Observer` of a call and `wrap.Emitter` the `SpanSource` of a provider;
both are passed in, so that nothing below `wrap` imports it.
"""

from __future__ import annotations

from typing import Any, Protocol

from opentelemetry.trace import Tracer

__all__ = ["Observer", "SpanSource"]


class Observer(Protocol):
    """The span of one call; no method raises, and after the end none does anything."""

    @property
    def ended(self) -> bool:
        """Whether the span has ended."""
        ...

    @property
    def captures_content(self) -> bool:
        """Whether the application asked for content, so that every chunk matters."""
        ...

    def observe_chunk(self, chunk: Any, /) -> bool:
        """Read a chunk of the stream; False if the caller must not get it."""
        ...

    def observe_event(self, chunk: Any, /) -> None:
        """Read a chunk that the caller reads from the wire itself."""
        ...

    def observe_response(self, response: Any, /) -> None:
        """Read a complete response."""
        ...

    def set_value(self, key: str, value: Any) -> None:
        """Set an attribute that no table can reach; None sets nothing."""
        ...

    def mark_left(self) -> None:
        """Record that the caller left its loop: the span ends at this time, if it ends later."""
        ...

    def end_with(self, holder: Any, *, complete: bool = False) -> None:
        """End the span when `holder` is collected, if nothing has ended it before."""
        ...

    def add_call(self, result: Any, /) -> None:
        """Record a request that the service made for this call (a `provider.DeferredResult`), as a
        span below this one."""
        ...

    def finish(self, *, complete: bool = True) -> None:
        """End the span; with `complete=False` its usage may be a lower bound."""
        ...

    def fail(self, error: BaseException, /) -> None:
        """End the span with an error."""
        ...


class SpanSource(Protocol):
    """Makes the spans of a provider's calls."""

    on: bool
    tracer: Tracer

    def is_enabled(self) -> bool:
        """Return whether a provider of traces, metrics or logs would get anything."""
        ...

    @property
    def tracer_provider(self) -> object:
        """The current tracer provider, which spans go to."""
        ...
