from __future__ import annotations

from collections.abc import Iterable
from threading import Lock

from spantoll.instrumentation.context import attributes, suppress
from spantoll.instrumentation.registry import Patched, install, unpatch

__all__ = ["attributes", "instrument", "suppress", "uninstrument"]

_patched: list[Patched] = []
_lock = Lock()


def instrument(providers: Iterable[str] | None = None) -> None:
    """Instrument the installed model SDKs, or only those named, in this process.

    Spans go to the global tracer provider of OpenTelemetry, which is the application's to set. An
    SDK that is not installed costs nothing; calling this twice changes nothing. Raises ValueError
    for a provider nobody knows.
    """
    with _lock:
        _patched.extend(install(providers))


def uninstrument() -> None:
    """Undo `instrument`, everywhere."""
    with _lock:
        unpatch(_patched)
        _patched.clear()
