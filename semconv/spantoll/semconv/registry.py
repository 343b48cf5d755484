from __future__ import annotations

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
    "read",
    "read_log",
]

MARKERS = (b"ai.", b"llm.", b"langfuse.", b"mlflow.", b"openinference.", b"langsmith.")
MORE_MARKERS = (b"traceloop.", b"claude_code", b"embedding.", b"spantoll.")


@cache
def all_dialects() -> tuple[Dialect, ...]:
    """List the dialects of the folder `dialects`, in the order in which they are asked."""
    found: list[Dialect] = [module.DIALECT for module in _modules()]
    return tuple(sorted(found, key=lambda dialect: (dialect.rank, dialect.name)))


@cache
def all_event_dialects() -> tuple[EventDialect, ...]:
    """List the events that the dialects of the folder report calls by."""
    return tuple(module.EVENTS for module in _modules() if hasattr(module, "EVENTS"))


def read(span: SpanView) -> ModelCall | None:
    """Read a span of any dialect; None if it is not a GenAI span. Never raises."""
    dialect = _by_scope(span.scope_name)
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
    """Tell by the encoded bytes of a span whether reading it is worth the while.

    False is certain; True may turn out otherwise.
    """
    for marker in MARKERS:
        if marker in raw:
            return True
    return any(marker in raw for marker in MORE_MARKERS)


def could_be_genai_event(raw: bytes) -> bool:
    """Tell by the encoded bytes of a log record whether reading it is worth the while.

    False is certain; True may turn out otherwise.
    """
    return any(events.marker in raw for events in all_event_dialects())


def _modules() -> list[ModuleType]:
    names = (module.name for module in iter_modules(dialects.__path__))
    return [import_module(f"{dialects.__name__}.{name}") for name in names]


@lru_cache(maxsize=512)
def _by_scope(scope_name: str) -> Dialect | None:
    if not scope_name:
        return None
    return next((each for each in all_dialects() if each.recognises_scope(scope_name)), None)
