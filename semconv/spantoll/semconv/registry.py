from __future__ import annotations

from functools import cache, lru_cache
from importlib import import_module
from pkgutil import iter_modules

from spantoll.semconv import dialects
from spantoll.semconv.call import ModelCall
from spantoll.semconv.dialect import Dialect, SpanView

__all__ = ["all_dialects", "could_be_genai", "read"]

MARKERS = (b"ai.", b"llm.", b"langfuse.", b"mlflow.", b"openinference.", b"langsmith.")
MORE_MARKERS = (b"traceloop.", b"claude_code", b"embedding.", b"spantoll.")


@cache
def all_dialects() -> tuple[Dialect, ...]:
    """List the dialects of the folder `dialects`, in the order in which they are asked."""
    modules = (
        import_module(f"{dialects.__name__}.{m.name}") for m in iter_modules(dialects.__path__)
    )
    found: list[Dialect] = [module.DIALECT for module in modules]
    return tuple(sorted(found, key=lambda dialect: (dialect.rank, dialect.name)))


def read(span: SpanView) -> ModelCall | None:
    """Read a span of any dialect; None if it is not a GenAI span. Never raises."""
    dialect = _by_scope(span.scope_name)
    if dialect is None:
        dialect = next((each for each in all_dialects() if each.recognises(span)), None)
        if dialect is None:
            return None
    return dialect.read(span)


def could_be_genai(raw: bytes) -> bool:
    """Tell by the encoded bytes of a span whether reading it is worth the while.

    False is certain; True may turn out otherwise.
    """
    for marker in MARKERS:
        if marker in raw:
            return True
    return any(marker in raw for marker in MORE_MARKERS)


@lru_cache(maxsize=512)
def _by_scope(scope_name: str) -> Dialect | None:
    if not scope_name:
        return None
    return next((each for each in all_dialects() if each.recognises_scope(scope_name)), None)
