from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections.abc import Callable
from typing import Any, NamedTuple

from spantoll.pipeline import GroupCommit, Ingest, make_settle
from spantoll.pricing import RateCard, load_rate_card
from spantoll.receiver.address import Address
from spantoll.receiver.health import Health
from spantoll.receiver.http import HttpServer
from spantoll.receiver.intake import Intake, Onward
from spantoll.receiver.limits import Limits
from spantoll.receiver.metrics import Metrics
from spantoll.receiver.rpc import RpcServer
from spantoll.receiver.tokens import Tokens
from spantoll.storage import Settle, Store, open_store

__all__ = ["GRPC", "HTTP", "Bound", "Receiver", "run", "serve"]

GRPC = "127.0.0.1:4317"
HTTP = "127.0.0.1:4318"
ENDING = (signal.SIGTERM, signal.SIGINT)
ABANDON_S = 1.0
FORWARD_S = 5.0
"""For what still waits to be forwarded, after everything is committed."""
GRACE_S = 20.0
"""Below the 30 s that Kubernetes and Docker Compose users tend to grant."""


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
        *,
        grpc: str | None = GRPC,
        http: str | None = HTTP,
        settle: Settle | None = None,
        limits: Limits | None = None,
        tokens: Tokens | None = None,
        onward: Onward | None = None,
    ) -> None:
        limits = limits or Limits()
        self._grpc = Address.parse(grpc, flag="--grpc") if grpc else None
        self._http = Address.parse(http, flag="--http") if http else None
        self.store = store
        self.commit = GroupCommit(
            store,
            settle=settle or make_settle(rate_card),
            queue_bytes=limits.budget_bytes,
            retry_s=limits.retry_s,
        )
        self.intake = Intake(
            Ingest(rate_card), self.commit, limits=limits, tokens=tokens, onward=onward
        )
        self.metrics = Metrics(self.intake, self.commit, rate_card.price_set)
        self._health = Health(store, self.commit, self.intake.admission, self.intake.forwarding)
        self._limits = limits
        self._rpc_server: RpcServer | None = None
        self._http_server: HttpServer | None = None

    async def start(self) -> Bound:
        """Listen; answers with the bound ports. Raises ConfigurationError naming the flag."""
        ports: dict[str, int] = {}
        try:
            if self._http is not None:
                sockets = self._http.listen()
                ports["http"] = sockets[0].getsockname()[1]
                self._http_server = HttpServer(
                    self.intake, self._health, self.metrics, limits=self._limits
                )
                await self._http_server.start(sockets)
            if self._grpc is not None:
                self._rpc_server = RpcServer(self.intake, self._health, limits=self._limits)
                ports["grpc"] = await self._rpc_server.start(self._grpc)
        except BaseException:
            await self.stop(grace_s=0)
            raise
        return Bound(ports.get("grpc"), ports.get("http"))

    async def stop(self, *, grace_s: float = GRACE_S) -> None:
        """Refuse what is new, finish what is under way, write what waits."""
        self.intake.admission.draining = True
        servers = [server for server in (self._rpc_server, self._http_server) if server]
        await asyncio.gather(*(server.stop(grace_s) for server in servers))
        self.commit.close(flush=grace_s > 0, wait=False)
        with contextlib.suppress(TimeoutError):
            # A group that is being written may be stuck in the database; in a hurry it is left.
            async with asyncio.timeout(None if grace_s > 0 else ABANDON_S):
                while self.commit.alive:
                    await asyncio.sleep(0.01)
        self.intake.close()


async def serve(
    *,
    database: str,
    grpc: str | None = GRPC,
    http: str | None = HTTP,
    settle: Settle | None = None,
    limits: Limits | None = None,
    tokens: Tokens | None = None,
    insecure: bool = False,
    grace_s: float = GRACE_S,
    onward: Callable[[Store], Onward] | None = None,
    ready: Callable[[Receiver, Bound], None] | None = None,
) -> int:
    """Receive until SIGTERM or SIGINT, then drain; a second signal ends at once.

    Answers with the exit status: 0 when drained, 1 when cut short. Raises ConfigurationError and
    SchemaMismatch before it listens; `ready` is told when it does. Listening beyond this machine
    takes tokens, or `insecure`.
    """
    for text, flag in ((grpc, "--grpc"), (http, "--http")):
        if text:
            address = Address.parse(text, flag=flag)
            if not (tokens or insecure):
                address.check_private()
            address.probe()
    store = open_store(database)
    forwarder = onward(store) if onward is not None else None
    try:
        receiver = Receiver(
            store,
            load_rate_card(),
            grpc=grpc,
            http=http,
            settle=settle,
            limits=limits,
            tokens=tokens,
            onward=forwarder,
        )
        with _Signals() as signals:
            bound = await receiver.start()
            if ready is not None:
                ready(receiver, bound)
            await signals.first.wait()
            draining = asyncio.create_task(_drain(receiver, forwarder, grace_s))
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


async def _drain(receiver: Receiver, forwarder: Onward | None, grace_s: float) -> None:
    await receiver.stop(grace_s=grace_s)
    if forwarder is not None:
        await asyncio.to_thread(forwarder.close, budget_s=min(grace_s, FORWARD_S))


def run(**settings: Any) -> int:
    """Run `serve` on uvloop where it is installed, else on asyncio's own loop."""
    _collect_rarely()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(serve(**settings))


def _collect_rarely() -> None:
    """Spare what lives as long as the process; collect after 50,000 new objects, not after 700.

    A request is many objects that die young and in no cycle: looking for cycles among them costs a
    tenth of the time per span.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


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
