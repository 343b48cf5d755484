from __future__ import annotations

import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

__all__ = ["guarded"]

log = logging.getLogger("spantoll.instrumentation")

P = ParamSpec("P")
T = TypeVar("T")


def guarded(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """Call into our own code; whatever it raises is logged and never reaches the application."""
    try:
        return function(*args, **kwargs)
    except Exception:
        log.warning("a model call could not be observed", exc_info=True)
        return None
