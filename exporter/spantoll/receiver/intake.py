from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from spantoll.errors import BadRequest, RecordRejected, StoreUnavailable, TooLarge
from spantoll.otlp import decompress
from spantoll.pipeline import Batch, GroupCommit, Ingest
from spantoll.receiver.admission import Admission, Ticket
from spantoll.receiver.answer import ACCEPTED, Answer, Verdict, refusal
from spantoll.receiver.limits import Limits
from spantoll.receiver.signals import TRACES, Signal
from spantoll.receiver.tokens import Tokens
from spantoll.records import Billed

__all__ = ["HOP", "Intake", "Onward"]

log = logging.getLogger(__name__)

T = TypeVar("T")

HOP = "spantoll-hop"
"""Header and metadata key: the receivers a request was forwarded by."""


class Onward(Protocol):
    """Who is told of a request of spans after its commit: returns at once and raises nothing."""

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

        `billed` is what the ledger says of its spans, if nothing but this request had a say in it;
        else the ledger has to be asked about `keys`, its spans that became records.
        """

    def counts(self) -> Mapping[str, Any]:
        """What each target was sent, by its URL: a NamedTuple of numbers, see `forward.Counts`."""

    def close(self, *, budget_s: float) -> None:
        """Finish within the budget; called when nothing more will come."""


class Intake:
    """From the bytes of a request to its answer, the same for both transports.

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
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._ingest = ingest
        self._commit = commit
        self._limits = limits
        self._onward = onward
        self._clock_ns = clock_ns
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="spantoll-decode")
        self.admission = Admission(
            budget_bytes=limits.budget_bytes,
            backlog_s=limits.backlog_s,
            stalled_s=commit.stalled_s,
            tokens=tokens,
        )
        self.answers: Counter[Verdict] = Counter()
        """Requests by outcome; each is counted once."""
        self.spans: Counter[str] = Counter()
        """Spans and log records: received, records, skipped, rejected; the first is the sum."""
        self.unpriced: Counter[str | None] = Counter()
        """Records without a known price, by provider."""
        self.stored_at: float | None = None
        """When something was last stored, in seconds since the epoch."""
        self.timed: Callable[[float], None] | None = None
        """Told how many seconds each request took."""

    def forwarding(self) -> Mapping[str, Any]:
        """What each target of forwarding was sent; empty without one."""
        return self._onward.counts() if self._onward is not None else {}

    async def unpack(self, body: bytes, *, encoding: str, ticket: Ticket) -> bytes:
        """Undo the content encoding within the limits. Raises BadRequest and Overloaded."""
        limit_bytes = self._limits.body_bytes
        try:
            inline_bytes = min(self._limits.inline_bytes, limit_bytes)
            plain = decompress(body, encoding=encoding, limit_bytes=inline_bytes)
        except TooLarge:
            # Small bytes may hold much: what turns out large is unpacked beside the loop.
            plain = await self._offload(
                limit_bytes, decompress, body, encoding=encoding, limit_bytes=limit_bytes
            )
        ticket.grow(len(plain) - len(body))
        return plain

    async def take(
        self,
        body: bytes,
        *,
        signal: Signal,
        ticket: Ticket,
        content_type: str = "application/x-protobuf",
        timeout_s: float | None = None,
        hops: str = "",
    ) -> Answer:
        """Decode, price and commit one request, and say how that went. Raises nothing."""
        limit_s = self._limits.answer_s
        began = time.perf_counter()
        try:
            async with asyncio.timeout(limit_s if timeout_s is None else min(limit_s, timeout_s)):
                answer = await self._take(body, signal, ticket, content_type, hops)
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
        """End the worker thread; what it has not begun is cancelled."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    async def _take(
        self, body: bytes, signal: Signal, ticket: Ticket, content_type: str, hops: str
    ) -> Answer:
        if not body:
            return ACCEPTED
        batch = await self._offload(
            len(body),
            functools.partial(signal.read, self._ingest),
            body,
            received_ns=self._clock_ns(),
            content_type=content_type,
            tenant=ticket.tenant,
        )
        rejected = batch.rejected_count
        reasons = [f"{refused.spans} x {refused.reason}" for refused in batch.rejected]
        stored, as_given = len(batch.records), False
        if batch.records:
            try:
                as_given = await asyncio.wrap_future(
                    self._commit.submit(batch.records, rates=batch.rates, size_bytes=len(body))
                )
            except RecordRejected as error:
                stored -= len(error.indexes)
                rejected += len(error.indexes)
                reasons.append(f"{len(error.indexes)} x {error}")
            else:
                self.stored_at = time.time()
            self.unpriced.update(
                record.provider
                for record in batch.records
                if record.counted and record.pricing_status == "unpriced"
            )
        self.spans.update(
            received=batch.received, records=stored, skipped=batch.skipped, rejected=rejected
        )
        if rejected and rejected == batch.received:
            raise BadRequest("; ".join(reasons))
        if self._onward is not None and signal is TRACES:
            queued = self._onward(
                body,
                content_type=content_type,
                tenant=ticket.tenant,
                spans=batch.received,
                billed=_billed(batch) if as_given else None,
                keys=[] if as_given else [record[1:3] for record in batch.records],
                hops=hops,
            )
            for future in queued:
                await asyncio.wrap_future(future)
        if rejected:
            return Answer(Verdict.OK, "; ".join(reasons), rejected)
        return Answer(Verdict.OK, batch.warning) if batch.warning else ACCEPTED

    async def _offload(
        self, size_bytes: int, work: Callable[..., T], body: bytes, **how: object
    ) -> T:
        """Do small work here and large work in the worker thread."""
        if size_bytes <= self._limits.inline_bytes:
            return work(body, **how)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._worker, lambda: work(body, **how))


def _billed(batch: Batch) -> list[Billed]:
    price_sets: dict[int | None, str] = {rate.rate_id: rate.price_set for rate in batch.rates}
    return [
        (
            record.trace_id,
            record.span_id,
            record.cost_nano,
            record.cost_source,
            record.pricing_reason,
            price_sets.get(record.rate_id),
        )
        for record in batch.records
        if record.counted
    ]
