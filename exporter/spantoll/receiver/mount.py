"""An ASGI application beside OTLP, on the same port: a REST API or a dashboard.

In: the requests that OTLP and the health checks do not answer. Out: what the application answers,
or a Status: 500 when it fails before it answers, 503 when too many of its requests are under way.
It gets no lifespan events, and does its own authentication.
https://asgi.readthedocs.io/en/stable/specs/www.html
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

__all__ = ["Application", "Mount", "Receive", "Scope", "Send", "await_application"]

log = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def await_application(loading: asyncio.Future[Application]) -> Application:
    """Return an application whose requests wait until the one that is being loaded is there."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        loaded = await asyncio.shield(loading)
        await loaded(scope, receive, send)

    return application


class Mount:
    """Runs the application so that neither its errors nor its slowness reach OTLP.

    What blocks the event loop still does: an application runs blocking code in threads.
    """

    def __init__(
        self, application: Application, *, most: int, refuse: Callable[[Send, int], Awaitable[None]]
    ) -> None:
        self._application = application
        self._most = most
        self._refuse = refuse
        self.under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on; `most` at a time."""
        if self.under_way >= self._most:
            await self._refuse(send, 503)
            return
        started = False

        async def observed_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        self.under_way += 1
        try:
            await self._application(scope, receive, observed_send)
        except asyncio.CancelledError:
            raise
        # An application may raise anything; after its answer began, uvicorn cuts the connection.
        except Exception:
            if started:
                raise
            log.exception("the application failed at %s", scope.get("path"))
            await self._refuse(send, 500)
        finally:
            self.under_way -= 1
