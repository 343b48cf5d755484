"""The worker processes of a receiver: which one decodes a request, and what replaces it.

In: decompressed bodies. Out: their batches, as if they had been decoded here. Requests of a worker
that dies or hangs are refused with StoreUnavailable, which is safe since only the receiver commits;
another worker takes its place, after a pause that grows while workers keep dying.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Sequence

from spantoll.errors import StoreUnavailable
from spantoll.pipeline import Batch
from spantoll.pipeline.packing import Job, Prices, pack_job, pack_prices, unpack_batch
from spantoll.pricing import RateCard
from spantoll.receiver.worker_process import LOOK_S, WorkerProcess
from spantoll.semconv.kept import chosen_attributes

__all__ = ["Workers"]

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 30.0
STABLE_S = 10.0
"""A worker that lived as long died of something new: the pause before the next is the first."""
LARGE_BYTES = 1 << 20
"""An answer of this size is unpacked in a thread: 3,000 records, 10 ms."""


class Workers:
    """Several worker processes; prices and kept attributes follow those of this process.

    They run from `start` on, or from the first `wake`.
    """

    def __init__(self, count: int, card: RateCard) -> None:
        self._count = count
        self._card = card
        self._running: set[WorkerProcess] = set()
        self._ready: dict[int, WorkerProcess] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False
        self._prices: tuple[int, bytes] = (-1, b"")
        self.requests: Counter[int] = Counter()
        """What each worker was given, by its number."""
        self.replaced = 0
        """How many workers ended and were started again."""

    @property
    def ready(self) -> bool:
        """Whether a worker takes requests: none does at the start, nor while all are replaced."""
        return bool(self._ready)

    @property
    def has_begun(self) -> bool:
        """Whether workers run, or are about to."""
        return bool(self._tasks)

    def status(self) -> str:
        """Return "ok", and how many take requests while not all do: the receiver decodes itself."""
        if not self.has_begun or len(self._ready) == self._count:
            return "ok"
        return f"ok, {len(self._ready)} of {self._count}"

    def pids(self) -> Sequence[int]:
        """Return the process ids of the workers that take requests."""
        return [worker.pid for worker in self._ready.values()]

    async def start(self) -> None:
        """Begin to start the workers, without waiting for them."""
        self.wake()

    def wake(self) -> None:
        """Begin to start the workers if that has not been done."""
        if self.has_begun or self._closed:
            return
        self._tasks = [asyncio.create_task(self._keep(n + 1)) for n in range(self._count)]
        self._tasks.append(asyncio.create_task(self._watch()))

    async def stop(self) -> None:
        """End all workers; what they have not answered is refused."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def read(self, job: Job) -> Batch:
        """Decode and price a request in the worker with the fewest bytes waiting.

        Raises what `unpack_batch` does, and StoreUnavailable if the worker ends before its answer.
        """
        number, worker = min(self._ready.items(), key=lambda item: item[1].waiting_bytes)
        self.requests[number] += 1
        if worker.revision != self._card.revision:
            worker.revision, prices = self._pack_prices()
            worker.send(prices)
        answer = await worker.ask(pack_job(job))
        if len(answer) > LARGE_BYTES:
            return await asyncio.to_thread(unpack_batch, answer)
        return unpack_batch(answer)

    async def _keep(self, number: int) -> None:
        """Keep a worker running, until this task is cancelled."""
        pause_s = FIRST_PAUSE_S
        clock_s = asyncio.get_running_loop().time
        while True:
            began_s = clock_s()
            try:
                status: int | str = await self._run(number)
            # Whatever ends a worker, the next one is tried; until then the receiver decodes itself.
            except Exception as error:
                log.exception("worker %d failed", number)
                status = str(error)
            if clock_s() - began_s > STABLE_S:
                pause_s = FIRST_PAUSE_S
            log.error("worker %d ended (%s), next in %.1f s", number, status, pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            self.replaced += 1

    async def _run(self, number: int) -> int:
        """Run one worker until it ends; return its exit status."""
        worker = await WorkerProcess.start()
        self._running.add(worker)
        try:
            worker.revision, prices = self._pack_prices()
            with contextlib.suppress(StoreUnavailable):
                await worker.ask(prices)
                self._ready[number] = worker
            await asyncio.shield(worker.ended)
        finally:
            self._running.discard(worker)
            self._ready.pop(number, None)
            status = await worker.close()
        return status

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            for worker in self._running:
                worker.look()

    def _pack_prices(self) -> tuple[int, bytes]:
        """Return the revision of the card and the message that makes it a worker's own."""
        revision = self._card.revision
        if self._prices[0] != revision:
            message = pack_prices(Prices(self._card, chosen_attributes()))
            self._prices = (revision, message)
        return self._prices
