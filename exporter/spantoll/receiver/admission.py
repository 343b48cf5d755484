from __future__ import annotations

import random
from collections.abc import Callable
from types import TracebackType

from spantoll.receiver.answer import Overloaded
from spantoll.receiver.tokens import Tokens

__all__ = ["Admission", "Ticket"]

SHORTEST_DELAY_S = 1.0
LONGEST_DELAY_S = 15.0
"""A delay beyond a sender's patience (the Collector's is 300 s, an SDK's 10 s) makes it drop."""


class Admission:
    """The door: who may send, and whether there is room, before a body is read or decoded.

    Room is counted in bytes of requests under way. A backlog older than `backlog_s` closes the
    door too: what is let in then would only time out inside.
    """

    def __init__(
        self,
        *,
        budget_bytes: int,
        backlog_s: float,
        stalled_s: Callable[[], float],
        tokens: Tokens | None = None,
    ) -> None:
        self._budget_bytes = budget_bytes
        self._backlog_s = backlog_s
        self._stalled_s = stalled_s
        self.tokens = tokens or Tokens()
        self.taken_bytes = 0
        self.draining = False

    def admit(self, size_bytes: int, authorization: str | None = None) -> Ticket:
        """Let one request in. Raises Unauthenticated and Overloaded."""
        self.tokens.check(authorization)
        if self.draining:
            raise self._overloaded("shutting down")
        if backlog := self.backlog():
            raise self._overloaded(backlog)
        ticket = Ticket(self, "default")
        ticket.grow(size_bytes)
        return ticket

    def backlog(self) -> str:
        """Why nothing is let in at the moment; empty when something is."""
        waited_s = self._stalled_s()
        if waited_s <= self._backlog_s:
            return ""
        return f"the database does not keep up: requests wait {waited_s:.1f} s"

    def take(self, size_bytes: int) -> None:
        """Count bytes as under way. One request is always let in. Raises Overloaded."""
        if self.taken_bytes and self.taken_bytes + size_bytes > self._budget_bytes:
            raise self._overloaded("too many bytes under way")
        self.taken_bytes += size_bytes

    def retry_after_s(self) -> float:
        """Say when to come back: later the longer the backlog, and not all at once."""
        delay = min(max(self._stalled_s() * 2, SHORTEST_DELAY_S), LONGEST_DELAY_S)
        return delay * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, keeps no secret

    def _overloaded(self, message: str) -> Overloaded:
        return Overloaded(message, retry_after_s=self.retry_after_s())


class Ticket:
    """One request under way: its tenant, and the bytes it holds until it is left."""

    __slots__ = ("_admission", "_size_bytes", "tenant")

    def __init__(self, admission: Admission, tenant: str) -> None:
        self._admission = admission
        self._size_bytes = 0
        self.tenant = tenant

    def grow(self, size_bytes: int) -> None:
        """Account for more bytes of the same request. Raises Overloaded."""
        if size_bytes > 0:
            self._admission.take(size_bytes)
            self._size_bytes += size_bytes

    def __enter__(self) -> Ticket:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._admission.taken_bytes -= self._size_bytes
        self._size_bytes = 0
