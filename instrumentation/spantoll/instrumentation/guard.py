from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["guarded"]

logger = logging.getLogger("spantoll.instrumentation")

F = TypeVar("F", bound=Callable[..., Any])
_told: set[tuple[str, type[BaseException]]] = set()


def guarded(otherwise: Callable[..., Any]) -> Callable[[F], F]:
    """Keep every error of ours away from the host: THE guard, around each way into our code.

    On an error the answer is that of `otherwise`. It is logged once per place and kind of error,
    as a bug of ours must not flood somebody else's log.
    """

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def safe(*args: Any, **kwargs: Any) -> Any:
            try:
                return function(*args, **kwargs)
            except Exception as error:
                place = (function.__qualname__, type(error))
                level = logging.DEBUG if place in _told else logging.WARNING
                _told.add(place)
                logger.log(level, "SpanToll lost part of a span in %s", place[0], exc_info=True)
                return otherwise(*args)

        return safe  # type: ignore[return-value]  # same signature, by wraps

    return decorate
