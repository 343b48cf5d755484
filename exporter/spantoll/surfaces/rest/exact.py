from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

__all__ = ["ExactRoute"]


class ExactRequest(Request):
    """A request whose JSON numbers are exact: no quantity becomes a float."""

    async def json(self) -> Any:
        """Read the body. Raises JSONDecodeError."""
        if not hasattr(self, "_json"):
            try:
                self._json = json.loads(await self.body(), parse_float=Decimal)
            except (RecursionError, UnicodeDecodeError) as error:
                raise json.JSONDecodeError(str(error), "", 0) from None
        return self._json


class ExactRoute(APIRoute):
    """A route that reads JSON exactly."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler, as its documentation of custom requests does."""
        handle = super().get_route_handler()

        async def handle_exactly(request: Request) -> Response:
            return await handle(ExactRequest(request.scope, request.receive))

        return handle_exactly
