"""Which dialect reads a span: the modules of the folder `dialects`, found by listing it.

Each module has a `DIALECT`, and `EVENTS` where log records report calls too. A scope decides
before any marker does; of several dialects the one of the lowest rank reads.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, lru_cache
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from spantoll.semconv import dialects
from spantoll.semconv.call import ModelCall
from spantoll.semconv.dialect import Dialect, LogView, SpanView
from spantoll.semconv.events import EventDialect

__all__ = [
    "all_dialects",
    "all_event_dialects",
    "could_be_genai",
    "could_be_genai_event",
    "make_gate",
    "read",
    "read_log",
]


@cache
def all_dialects() -> tuple[Dialect, ...]:
    """List the dialects of the folder `dialects`, in the order in which they are asked."""
    found: list[Dialect] = [module.DIALECT for module in _import_modules()]
    return tuple(sorted(found, key=lambda dialect: (dialect.rank, dialect.name)))


@cache
def all_event_dialects() -> tuple[EventDialect, ...]:
    """List the events that the dialects of the folder report calls by."""
    return tuple(module.EVENTS for module in _import_modules() if hasattr(module, "EVENTS"))


def read(span: SpanView) -> ModelCall | None:
    """Read a span of any dialect; None if it is not a GenAI span. Never raises."""
    dialect = _dialect_of_scope(span.scope_name)
    if dialect is None:
        dialect = next((each for each in all_dialects() if each.recognises(span)), None)
        if dialect is None:
            return None
    return dialect.read(span)


def read_log(log: LogView) -> ModelCall | None:
    """Read a log record that reports a model call; None if it is another. Never raises."""
    for events in all_event_dialects():
        span = events.view(log)
        if span is not None:
            return events.table.read(span) if events.table is not None else read(span)
    return None


def could_be_genai(raw: bytes) -> bool:
    """Return False if the encoded bytes of a span show that it is not a GenAI span.

    False is certain; True may turn out otherwise.
    """
    for marker in _span_gate():  # noqa: SIM110 - `any` takes longer where the first matches
        if marker in raw:
            return True
    return False


def could_be_genai_event(raw: bytes) -> bool:
    """Return False if the encoded bytes of a log record show that it reports no model call.

    False is certain; True may turn out otherwise.
    """
    return any(map(raw.__contains__, _event_gate()))


def make_gate(markers: Iterable[bytes]) -> tuple[bytes, ...]:
    """Reduce markers to those that contain no other one, the shortest first."""
    gate: list[bytes] = []
    for marker in sorted(set(markers), key=lambda marker: (len(marker), marker)):
        if not any(shorter in marker for shorter in gate):
            gate.append(marker)
    return tuple(gate)


@cache
def _span_gate() -> tuple[bytes, ...]:
    return make_gate(marker for dialect in all_dialects() for marker in dialect.gate)


@cache
def _event_gate() -> tuple[bytes, ...]:
    return make_gate(marker for events in all_event_dialects() for marker in events.gate)


def _import_modules() -> list[ModuleType]:
    names = (module.name for module in iter_modules(dialects.__path__))
    return [import_module(f"{dialects.__name__}.{name}") for name in names]


@lru_cache(maxsize=512)
def _dialect_of_scope(scope_name: str) -> Dialect | None:
    if not scope_name:
        return None
    return next((each for each in all_dialects() if each.recognises_scope(scope_name)), None)
