"""Who may send, and whether there is room: decided before a body is read, and again before it is
decoded.

In: the `Authorization` and size of a request. Out: a Ticket, which accounts for the bytes of the
request, or Unauthenticated or Overloaded with the delay after which the sender should try again.
https://opentelemetry.io/docs/specs/otlp/#otlpgrpc-throttling
"""

from __future__ import annotations

import random
from types import TracebackType

from spantoll.receiver.answer import Overloaded
from spantoll.receiver.backlog import Backlog
from spantoll.receiver.limits import Limits
from spantoll.receiver.tokens import Tokens
from spantoll.records.build import DEFAULT_TENANT

__all__ = ["Admission", "Ticket"]

SHORTEST_DELAY_S = 1.0
LONGEST_DELAY_S = 15.0
"""A delay beyond a sender's patience (the Collector's is 300 s, an SDK's 10 s) makes it drop."""
LARGE_SHARE = 0.75
"""Of the budget for bodies above `inline_bytes`: the rest stays free for the many small ones."""


class Admission:
    """Refuses requests without a known token, and those that there is no room for.

    Room is counted in bytes of bodies that have arrived, large bodies apart from small ones. A
    backlog refuses too, before its requests would time out: beyond `admit_s` no body is read,
    beyond `wait_s` none is decoded.
    """

    def __init__(self, limits: Limits, backlog: Backlog, *, tokens: Tokens | None = None) -> None:
        self._limits = limits
        self._backlog = backlog
        self.tokens = tokens or Tokens()
        self.taken_bytes = 0
        self._large_bytes = 0
        self.draining = False

    def admit(self, announced_bytes: int = 0, authorization: str | None = None) -> Ticket:
        """Admit one request, whose body may be read next. Raises Unauthenticated and Overloaded.

        Nothing is reserved for announced bytes: a sender that announces much and sends nothing
        would hold the room of others.
        """
        self.tokens.check(authorization)
        if self.draining:
            raise self._overloaded("shutting down")
        self._check_backlog(self._limits.admit_s)
        self._check_room(0, announced_bytes)
        return Ticket(self)

    def backlog(self, limit_s: float | None = None) -> str:
        """Return why requests are refused now; empty when they are not.

        They are when they are expected to wait longer than `limit_s`, which is `admit_s` if None.
        """
        limit_s = self._limits.admit_s if limit_s is None else limit_s
        stalled_s = self._backlog.stalled_s()
        if stalled_s > self._limits.backlog_s:
            return f"the database does not keep up: requests wait {stalled_s:.1f} s"
        expected_s = self._backlog.expected_wait_s()
        if expected_s > limit_s:
            return f"overloaded: requests wait {expected_s:.1f} s"
        return ""

    def check_wait(self) -> None:
        """Raise Overloaded if a request whose body was read would wait longer than `wait_s`."""
        self._check_backlog(self._limits.wait_s)

    def reserve(self, own_bytes: int, more_bytes: int) -> None:
        """Count more bytes of a request that holds `own_bytes`. Raises Overloaded."""
        self._check_room(own_bytes, more_bytes)
        self._count(own_bytes, more_bytes)

    def release(self, own_bytes: int) -> None:
        """Give back all bytes of a request."""
        self._count(own_bytes, -own_bytes)

    def retry_after_s(self) -> float:
        """Return the delay of RETRY: longer with the backlog, and with jitter."""
        wait_s = max(self._backlog.stalled_s(), self._backlog.expected_wait_s())
        delay_s = min(max(wait_s * 2, SHORTEST_DELAY_S), LONGEST_DELAY_S)
        return delay_s * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, keeps no secret

    def _check_backlog(self, limit_s: float) -> None:
        if reason := self.backlog(limit_s):
            raise self._overloaded(reason)

    def _check_room(self, own_bytes: int, more_bytes: int) -> None:
        """Raise Overloaded if the request does not fit; one alone of its kind always does."""
        size_bytes = own_bytes + more_bytes
        others_bytes = self.taken_bytes - own_bytes
        if others_bytes and others_bytes + size_bytes > self._limits.budget_bytes:
            raise self._overloaded("too many bytes under way")
        others_bytes = self._large_bytes - self._large_part(own_bytes)
        large_bytes = self._large_part(size_bytes)
        room_bytes = self._limits.budget_bytes * LARGE_SHARE
        if large_bytes and others_bytes and others_bytes + large_bytes > room_bytes:
            raise self._overloaded("too many large requests under way")

    def _count(self, own_bytes: int, more_bytes: int) -> None:
        self.taken_bytes += more_bytes
        self._large_bytes += self._large_part(own_bytes + more_bytes) - self._large_part(own_bytes)

    def _large_part(self, size_bytes: int) -> int:
        return size_bytes if size_bytes > self._limits.inline_bytes else 0

    def _overloaded(self, message: str) -> Overloaded:
        return Overloaded(message, retry_after_s=self.retry_after_s())


class Ticket:
    """One request under way: its tenant, and the bytes it holds until it is left."""

    __slots__ = ("_admission", "size_bytes", "tenant")

    def __init__(self, admission: Admission, tenant: str = DEFAULT_TENANT) -> None:
        self._admission = admission
        self.size_bytes = 0
        self.tenant = tenant

    def grow(self, size_bytes: int) -> None:
        """Account for more bytes of the same request. Raises Overloaded."""
        if size_bytes > 0:
            self._admission.reserve(self.size_bytes, size_bytes)
            self.size_bytes += size_bytes

    def __enter__(self) -> Ticket:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._admission.release(self.size_bytes)
        self.size_bytes = 0
