"""The receiver: both transports, admission, decoding and one writer, from start to drain.

In: a store, a rate card and a `ReceiverConfig`. Out: committed records, and an exit status when it
runs as a process. What is under way when it ends is answered first (`stop`).
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from typing import NamedTuple

from spantoll.pipeline import GroupCommit, Ingest
from spantoll.pricing import RateCard
from spantoll.process import collect_rarely
from spantoll.receiver.config import ReceiverConfig
from spantoll.receiver.cores import choose_workers, count_cores
from spantoll.receiver.health import Health
from spantoll.receiver.http import HttpServer
from spantoll.receiver.intake import Intake, Onward
from spantoll.receiver.memory import limit_arenas, watch_memory
from spantoll.receiver.metrics import Metrics
from spantoll.receiver.mount import Application, await_application
from spantoll.receiver.rpc import RpcServer
from spantoll.receiver.tls import Tls
from spantoll.receiver.workers import Workers
from spantoll.storage import Settle, Store, open_store

__all__ = ["Bound", "Receiver", "run", "serve"]

ENDING = (signal.SIGTERM, signal.SIGINT)
ABANDON_S = 1.0
FORWARD_S = 5.0
"""For what still waits to be forwarded, after everything is committed."""


class Bound(NamedTuple):
    """The ports that are listened on."""

    grpc: int | None
    http: int | None


class Receiver:
    """OTLP in, committed records out: both transports, one loop, one writer.

    The store stays the caller's: it is neither opened nor closed here.
    """

    def __init__(
        self,
        store: Store,
        rate_card: RateCard,
        config: ReceiverConfig | None = None,
        *,
        settle: Settle,
        onward: Onward | None = None,
        application: Application | None = None,
    ) -> None:
        self._config = config = config or ReceiverConfig()
        self._grpc = config.grpc_address
        self._http = config.http_address
        self._tls = Tls(config.tls) if config.tls is not None else None
        self._application = application
        self.store = store
        self.commit = GroupCommit(
            store,
            settle=settle,
            queue_bytes=config.limits.budget_bytes,
            retry_s=config.limits.retry_s,
        )
        count = choose_workers(count_cores()) if config.workers is None else config.workers
        self.workers = Workers(count, rate_card) if count > 1 else None
        self.intake = Intake(
            Ingest(rate_card),
            self.commit,
            workers=self.workers,
            limits=config.limits,
            tokens=config.tokens,
            onward=onward,
        )
        self.metrics = Metrics(self.intake, self.commit, rate_card.price_set, self.workers)
        self._health = Health(
            store,
            self.commit,
            self.intake.admission,
            self.intake.forwarding,
            workers=self.workers.status if self.workers is not None else None,
        )
        self._rpc_server: RpcServer | None = None
        self._http_server: HttpServer | None = None
        self._memory_watch: asyncio.Task[None] | None = None

    def mount(self, application: Application) -> None:
        """Serve an application beside OTLP/HTTP; to be called before `start`."""
        self._application = application

    async def start(self) -> Bound:
        """Listen; answers with the bound ports. Raises ConfigurationError naming the flag."""
        ports: dict[str, int] = {}
        try:
            if self._http is not None:
                sockets = self._http.listen()
                ports["http"] = sockets[0].getsockname()[1]
                self._http_server = HttpServer(
                    self.intake,
                    self._health,
                    self.metrics,
                    limits=self._config.limits,
                    application=self._application,
                    tls=self._tls,
                )
                await self._http_server.start(sockets)
            if self._grpc is not None:
                self._rpc_server = RpcServer(
                    self.intake, self._health, limits=self._config.limits, tls=self._tls
                )
                ports["grpc"] = await self._rpc_server.start(self._grpc)
        except BaseException:
            await self.stop(grace_s=0)
            raise
        if self.workers is not None and self._config.workers is not None:
            await self.workers.start()
        limit_bytes = self._config.limits.memory_bytes // 2
        self._memory_watch = asyncio.create_task(watch_memory(limit_bytes))
        return Bound(ports.get("grpc"), ports.get("http"))

    async def stop(self, *, grace_s: float | None = None) -> None:
        """Refuse what is new, finish what is under way, write what waits."""
        grace_s = self._config.grace_s if grace_s is None else grace_s
        self.intake.admission.draining = True
        if self._memory_watch is not None:
            self._memory_watch.cancel()
        servers = [server for server in (self._rpc_server, self._http_server) if server]
        await asyncio.gather(*(server.stop(grace_s) for server in servers))
        self.commit.close(flush=grace_s > 0, wait=False)
        with contextlib.suppress(TimeoutError):
            # A group that is being written may be stuck in the database; in a hurry it is left.
            async with asyncio.timeout(None if grace_s > 0 else ABANDON_S):
                while self.commit.alive:
                    await asyncio.sleep(0.01)
        self.intake.close()
        if self.workers is not None:
            await self.workers.stop()


async def serve(
    database: str,
    config: ReceiverConfig,
    *,
    rate_card: RateCard,
    settle: Settle,
    onward: Callable[[Store], Onward] | None = None,
    application: Callable[[Receiver], Application] | None = None,
    ready: Callable[[Receiver, Bound], None] | None = None,
) -> int:
    """Receive until SIGTERM or SIGINT, then drain; a second signal ends at once.

    Returns the exit status: 0 when drained, 1 when cut short. Raises ConfigurationError and
    SchemaMismatch before it listens; calls `ready` when it does. `application` is called in a
    thread and only then: spans are received while it loads, its own requests wait. Listening beyond
    this machine takes tokens, or `insecure`.
    """
    config.check()
    store = open_store(database)
    forwarder = onward(store) if onward is not None else None
    try:
        receiver = Receiver(store, rate_card, config, settle=settle, onward=forwarder)
        loading: asyncio.Future[Application] = asyncio.get_running_loop().create_future()
        if application is not None:
            receiver.mount(await_application(loading))
        with _Signals() as signals:
            bound = await receiver.start()
            if ready is not None:
                ready(receiver, bound)
            if application is not None:
                await _load(loading, application, receiver)
            await signals.first.wait()
            draining = asyncio.create_task(_drain(receiver, forwarder, config.grace_s))
            hurried = asyncio.create_task(signals.second.wait())
            await asyncio.wait({draining, hurried}, return_when=asyncio.FIRST_COMPLETED)
            if draining.done():
                hurried.cancel()
                return 0
            draining.cancel()
            await receiver.stop(grace_s=0)
            return 1
    finally:
        if forwarder is not None:
            forwarder.close(budget_s=0)
        store.close()


async def _load(
    loading: asyncio.Future[Application],
    application: Callable[[Receiver], Application],
    receiver: Receiver,
) -> None:
    """Make the application of a receiver that listens; the receiver ends where that fails."""
    try:
        loading.set_result(await asyncio.to_thread(application, receiver))
    except BaseException:
        loading.cancel()
        await receiver.stop()
        raise


async def _drain(receiver: Receiver, forwarder: Onward | None, grace_s: float) -> None:
    await receiver.stop(grace_s=grace_s)
    if forwarder is not None:
        await asyncio.to_thread(forwarder.close, budget_s=min(grace_s, FORWARD_S))


def run(
    database: str,
    config: ReceiverConfig,
    *,
    rate_card: RateCard,
    settle: Settle,
    onward: Callable[[Store], Onward] | None = None,
    application: Callable[[Receiver], Application] | None = None,
    ready: Callable[[Receiver, Bound], None] | None = None,
) -> int:
    """Run `serve` on uvloop where it is installed, else on asyncio's own loop."""
    collect_rarely()
    limit_arenas()
    served = serve(
        database,
        config,
        rate_card=rate_card,
        settle=settle,
        onward=onward,
        application=application,
        ready=ready,
    )
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(served)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


class _Signals:
    """SIGTERM and SIGINT as two events, while it is entered."""

    def __enter__(self) -> _Signals:
        self.first, self.second = asyncio.Event(), asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._before = {number: signal.getsignal(number) for number in ENDING}
        for number in ENDING:
            try:
                self._loop.add_signal_handler(number, self._raised)
            except NotImplementedError:  # on Windows
                signal.signal(number, lambda *_: self._loop.call_soon_threadsafe(self._raised))
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            with contextlib.suppress(NotImplementedError):
                self._loop.remove_signal_handler(number)
            signal.signal(number, handler)

    def _raised(self) -> None:
        (self.second if self.first.is_set() else self.first).set()
