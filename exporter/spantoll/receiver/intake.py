"""From the bytes of a request to its answer, for both transports.

In: a body and its `Request`. Out: an `Answer`, OK only after the records are committed; every error
becomes the answer of `refusal`. What was committed is handed to forwarding.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, Protocol

from spantoll.errors import BadRequest, RecordRejected, StoreUnavailable
from spantoll.pipeline import Batch, GroupCommit, Ingest
from spantoll.receiver.admission import Admission
from spantoll.receiver.answer import ACCEPTED, Answer, Verdict, refusal
from spantoll.receiver.backlog import Backlog
from spantoll.receiver.decoding import Decoded, Decoder, Request
from spantoll.receiver.limits import Limits
from spantoll.receiver.signals import TRACES
from spantoll.receiver.tokens import Tokens
from spantoll.receiver.workers import Workers
from spantoll.records import Billed

__all__ = ["Intake", "Onward"]

log = logging.getLogger(__name__)

PART_RECORDS = 8_192
"""Of a large request per commit: others wait for half a second of it at most."""


class Onward(Protocol):
    """Takes over requests of spans after their commit: returns at once and raises nothing."""

    def __call__(
        self,
        body: bytes,
        *,
        content_type: str,
        tenant: str,
        keys: Sequence[tuple[bytes, bytes]],
        spans: int,
        billed: Sequence[Billed] | None,
        hops: str,
    ) -> Sequence[Future[None]]:
        """Take over the decompressed request of `spans` spans.

        It is acknowledged when all futures are done; their StoreUnavailable refuses it.

        `billed` are its billed spans, if the request was stored as given; else it is None, and the
        ledger is read for `keys`, its spans that became records.
        """

    def counts(self) -> Mapping[str, Any]:
        """What each target was sent, by its URL: a NamedTuple of numbers, see `forward.Counts`."""

    def close(self, *, budget_s: float) -> None:
        """Finish within the budget; called when nothing more will come."""


class Intake:
    """Turns the bytes of a request into its answer, the same for both transports.

    Answers OK only after the records are committed.
    """

    def __init__(
        self,
        ingest: Ingest,
        commit: GroupCommit,
        *,
        limits: Limits,
        tokens: Tokens | None = None,
        onward: Onward | None = None,
        workers: Workers | None = None,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._decoder = Decoder(ingest, limits, workers=workers, clock_ns=clock_ns)
        self._workers = workers
        self._commit = commit
        self._limits = limits
        self._onward = onward
        self._backlog = Backlog(stalled_s=commit.stalled_s)
        self.admission = Admission(limits, self._backlog, tokens=tokens)
        self.answers: Counter[Verdict] = Counter()
        """Requests by outcome; each is counted once."""
        self.spans: Counter[str] = Counter()
        """Spans and log records: received, records, skipped, rejected; the first is the sum."""
        self.unpriced: Counter[str | None] = Counter()
        """Records without a known price, by provider."""
        self.stored_at: float | None = None
        """When something was last stored, in seconds since the epoch."""
        self.timed: Callable[[float], None] | None = None
        """Called with the seconds that each request took."""

    def forwarding(self) -> Mapping[str, Any]:
        """What each target of forwarding was sent; empty without one."""
        return self._onward.counts() if self._onward is not None else {}

    async def take(
        self, body: bytes, request: Request, *, timeout_s: float | None = None
    ) -> Answer:
        """Decode, price and commit one request, and say how that went. Raises nothing."""
        limit_s = self._limits.answer_s
        began = time.perf_counter()
        try:
            async with asyncio.timeout(limit_s if timeout_s is None else min(limit_s, timeout_s)):
                answer = await self._take(body, request)
        except TimeoutError:
            return self.refuse(StoreUnavailable("not committed in time, please send again"))
        # The error table is total: an unknown error must not become a permanent code.
        except Exception as error:  # noqa: BLE001
            return self.refuse(error)
        finally:
            if self.timed is not None:
                self.timed(time.perf_counter() - began)
        self.answers[Verdict.OK] += 1
        return answer

    def refuse(self, error: Exception) -> Answer:
        """The answer to an error, with the delay that the backlog suggests."""
        answer = refusal(error, retry_after_s=self.admission.retry_after_s())
        self.answers[answer.verdict] += 1
        if answer.verdict is Verdict.RETRY and not isinstance(error, StoreUnavailable):
            log.error("request failed unexpectedly", exc_info=error)
        return answer

    def close(self) -> None:
        """End the thread that decodes; what it has not begun is cancelled."""
        self._decoder.close()

    async def _take(self, body: bytes, request: Request) -> Answer:
        if not body:
            return ACCEPTED
        self.admission.check_wait()
        # Large bodies have a queue of their own, see `Decoder`: they say little about this one.
        work_bytes = len(body) if len(body) <= self._limits.inline_bytes else 0
        with self._backlog.work(work_bytes):
            if self._workers is not None and self._backlog.queued_bytes > self._limits.wake_bytes:
                self._workers.wake()
            return await self._store(await self._decoder.decode(body, request), request)

    async def _store(self, decoded: Decoded, request: Request) -> Answer:
        batch = decoded.batch
        stored = await self._commit_batch(batch, len(decoded.body))
        rejected = batch.rejected_count + stored.rejected
        self.spans.update(
            received=batch.received,
            records=len(batch.records) - stored.rejected,
            skipped=batch.skipped,
            rejected=rejected,
        )
        reasons = [f"{refused.spans} x {refused.reason}" for refused in batch.rejected]
        reasons += stored.reasons
        if rejected and rejected == batch.received:
            raise BadRequest("; ".join(reasons))
        if self._onward is not None and request.signal is TRACES:
            queued = self._onward(
                decoded.body,
                content_type=request.content_type,
                tenant=request.ticket.tenant,
                spans=batch.received,
                billed=_billed(batch) if stored.as_given else None,
                keys=[] if stored.as_given else [record[1:3] for record in batch.records],
                hops=request.hops,
            )
            for future in queued:
                await asyncio.wrap_future(future)
        if rejected:
            return Answer(Verdict.OK, "; ".join(reasons), rejected)
        return Answer(Verdict.OK, batch.warning) if batch.warning else ACCEPTED

    async def _commit_batch(self, batch: Batch, size_bytes: int) -> _Stored:
        """Commit the records in parts, so that other requests are written between them."""
        as_given = bool(batch.records)
        reasons = []
        rejected = 0
        for start in range(0, len(batch.records), PART_RECORDS):
            part = batch.records[start : start + PART_RECORDS]
            part_bytes = size_bytes * len(part) // len(batch.records)
            try:
                as_given &= await asyncio.wrap_future(
                    self._commit.submit(part, rates=batch.rates, size_bytes=part_bytes)
                )
            except RecordRejected as error:
                as_given = False
                rejected += len(error.indexes)
                reasons.append(f"{len(error.indexes)} x {error}")
            else:
                self.stored_at = time.time()
        self.unpriced.update(
            record.provider
            for record in batch.records
            if record.counted and record.pricing_status == "unpriced"
        )
        return _Stored(as_given, rejected, reasons)


class _Stored(NamedTuple):
    as_given: bool
    """Whether all records are new and stand in the ledger as they were given."""
    rejected: int
    reasons: Sequence[str]


def _billed(batch: Batch) -> list[Billed]:
    price_sets: dict[int | None, str] = {rate.rate_id: rate.price_set for rate in batch.rates}
    return [
        (
            record.trace_id,
            record.span_id,
            record.cost_nano,
            record.cost_source,
            record.pricing_status,
            record.pricing_reason,
            price_sets.get(record.rate_id),
        )
        for record in batch.records
        if record.counted
    ]
