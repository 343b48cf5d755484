"""The one guard that keeps SpanToll's own errors away from the application.

Input: a function that application code calls, and what to return instead of its result. Output: a
function that logs an error of the first and never raises it.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["guarded"]

logger = logging.getLogger("spantoll.instrumentation")

F = TypeVar("F", bound=Callable[..., Any])
_logged: set[tuple[str, type[BaseException]]] = set()


def guarded(otherwise: Callable[..., Any]) -> Callable[[F], F]:
    """Log an error of the decorated function and return the result of `otherwise` instead.

    Around each function that application code calls. One warning per function and kind of error,
    further ones at DEBUG level.
    """

    def decorate(function: F) -> F:
        def log_and_return(error: Exception, *args: Any) -> Any:
            place = (function.__qualname__, type(error))
            level = logging.DEBUG if place in _logged else logging.WARNING
            _logged.add(place)
            logger.log(level, "SpanToll lost part of a span in %s", place[0], exc_info=error)
            return otherwise(*args)

        @functools.wraps(function)
        def safe(*args: Any, **kwargs: Any) -> Any:
            try:
                return function(*args, **kwargs)
            except Exception as error:
                return log_and_return(error, *args)

        @functools.wraps(function)
        def safe_of_two(one: Any, two: Any) -> Any:
            # Passing arguments on as they are: on the path of each call and of each stream chunk.
            try:
                return function(one, two)
            except Exception as error:
                return log_and_return(error, one, two)

        @functools.wraps(function)
        def safe_of_three(one: Any, two: Any, three: Any) -> Any:
            try:
                return function(one, two, three)
            except Exception as error:
                return log_and_return(error, one, two, three)

        code = function.__code__
        if code.co_kwonlyargcount or function.__defaults__:
            return safe  # type: ignore[return-value]  # same signature, by wraps
        by_count = {2: safe_of_two, 3: safe_of_three}
        return by_count.get(code.co_argcount, safe)  # type: ignore[return-value]  # likewise

    return decorate
