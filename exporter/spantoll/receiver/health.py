"""Liveness and readiness, as `/livez`, `/readyz` and grpc.health.v1 report them.

In: the store, the writer, admission and the worker processes. Out: checks by name, each "ok" or
what is wrong. Missing workers are named behind an "ok": the receiver decodes itself meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from spantoll.errors import SpantollError
from spantoll.pipeline import GroupCommit
from spantoll.receiver.admission import Admission
from spantoll.storage import Store

__all__ = ["Health", "is_ok"]

PING_S = 2.0
PING_INTERVAL_S = 1.0
FAILED_S = 10.0
"""How long a failed write makes the receiver unready. Then senders may try again: nothing else
would show that writes succeed."""


def is_ok(reason: str) -> bool:
    """Return True if a check says that nothing keeps the receiver from its work."""
    return reason == "ok" or reason.startswith("ok,")


class Health:
    """Whether the process works (live), and whether sending to it makes sense (ready)."""

    def __init__(
        self,
        store: Store,
        commit: GroupCommit,
        admission: Admission,
        forwarding: Callable[[], Mapping[str, Any]] = dict,
        *,
        workers: Callable[[], str] | None = None,
    ) -> None:
        self._store = store
        self._forwarding = forwarding
        self._workers = workers
        self._commit = commit
        self._admission = admission
        self._pinged = float("-inf")
        self._database = "not asked yet"
        self._asking = asyncio.Lock()
        self._failure: str | None = None
        self._failed_at = float("-inf")

    @property
    def draining(self) -> bool:
        """Whether the receiver is about to end."""
        return self._admission.draining

    def live(self) -> dict[str, str]:
        """Checks by name; "ok" or what is wrong."""
        return {"writer": "ok" if self._commit.alive else "the writer thread has ended"}

    async def ready(self) -> dict[str, str]:
        """As `live`, with everything a request needs."""
        return {
            **self.live(),
            "accepting": "shutting down" if self._admission.draining else "ok",
            "backlog": self._admission.backlog() or "ok",
            "database": await self._ping_database(),
            "writes": self._check_writes(),
            **self._check_queues(),
            **({"workers": self._workers()} if self._workers is not None else {}),
        }

    def _check_writes(self) -> str:
        """What the last write failed with: a database may answer a ping and refuse a record."""
        failure = self._commit.failure
        now_s = time.monotonic()
        if failure is not self._failure:
            self._failure, self._failed_at = failure, now_s
        return failure if failure and now_s - self._failed_at < FAILED_S else "ok"

    def _check_queues(self) -> dict[str, str]:
        """Report forwarding queues whose disk cannot be written."""
        paused = {target: counts.paused for target, counts in self._forwarding().items()}
        problems = [f"{target}: {reason}" for target, reason in paused.items() if reason]
        return {"forwarding": "; ".join(problems) or "ok"} if paused else {}

    async def _ping_database(self) -> str:
        """Ping the database, at most once per second and once at a time, however many probe."""
        async with self._asking:
            if time.monotonic() - self._pinged > PING_INTERVAL_S:
                try:
                    async with asyncio.timeout(PING_S):
                        await asyncio.to_thread(self._store.ping)
                    self._database = "ok"
                except TimeoutError:
                    self._database = f"no answer in {PING_S:g} s"
                except SpantollError as error:
                    self._database = str(error) or type(error).__name__
                self._pinged = time.monotonic()
            return self._database
