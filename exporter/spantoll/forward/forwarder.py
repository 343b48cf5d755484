from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from sqlalchemy import Engine

from spantoll.forward.annotate import SpanKey, annotate
from spantoll.forward.job import Job
from spantoll.forward.line import Counts, Line, Retry
from spantoll.forward.official import to_protobuf
from spantoll.forward.prices import notes, told
from spantoll.forward.sender import connect
from spantoll.forward.spool import Spool
from spantoll.forward.target import Target
from spantoll.otlp import JSON
from spantoll.records import Billed

__all__ = ["Forwarder"]

QUEUE_BYTES = 64 << 20
HOPS = re.compile(r"[0-9a-f]{32}(,[0-9a-f]{32}){0,15}")
"""What a receiver writes; whatever else comes under that name is not passed on."""
LIMIT_BYTES = 4 << 20
"""What gRPC servers take by default, Jaeger among them."""


class Forwarder:
    """Sends committed requests on to every target, each with its own queue and thread."""

    def __init__(
        self,
        targets: Sequence[Target],
        engine: Engine,
        *,
        headers: Mapping[Target, Mapping[str, str]] | None = None,
        queue_bytes: int = QUEUE_BYTES,
        limit_bytes: int = LIMIT_BYTES,
        retry: Retry | None = None,
        queue: Path | None = None,
    ) -> None:
        self.instance = uuid.uuid4().hex
        self._engine = engine
        self._lines = {
            str(target): Line(
                str(target),
                connect(target, (headers or {}).get(target, {})),
                self._prepare,
                queue_bytes=queue_bytes,
                limit_bytes=limit_bytes,
                retry=retry or Retry(),
                spool=Spool(queue, str(target)) if queue is not None else None,
            )
            for target in targets
        }

    def __call__(
        self,
        body: bytes,
        *,
        content_type: str,
        tenant: str,
        keys: Sequence[SpanKey],
        hops: str,
        billed: Sequence[Billed] | None = None,
    ) -> None:
        """Take a request over after its commit. Returns at once and raises nothing."""
        if self.instance in hops:
            for line in self._lines.values():
                line.skip_loop()
            return
        hops = hops if HOPS.fullmatch(hops) else ""
        passed = f"{hops},{self.instance}" if hops else self.instance
        job = Job(body, content_type, tenant, keys, billed, passed)
        for line in self._lines.values():
            line.put(job)

    def counts(self) -> Mapping[str, Counts]:
        """Snapshot what each target was sent, by its URL."""
        return {name: line.counts for name, line in self._lines.items()}

    def close(self, *, budget_s: float) -> None:
        """Send what waits within the budget, all targets at once; drop and count the rest."""
        closing = [
            threading.Thread(target=line.close, args=(budget_s,)) for line in self._lines.values()
        ]
        deadline = time.monotonic() + budget_s + 2.0
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _prepare(self, job: Job) -> bytes:
        body = to_protobuf(job.body) if job.content_type == JSON else job.body
        if job.billed is not None:
            return annotate(body, told(job.billed))
        return annotate(body, notes(self._engine, job.tenant, job.keys)) if job.keys else body
