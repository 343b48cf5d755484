"""Two receivers on one database server, killed in turn while a Collector sends to both."""

from __future__ import annotations

import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from sqlalchemy import func, select

from spantoll.records import usage_record
from spantoll.storage import Store, open_store
from spantoll.storage.roll_up_verify import verify_roll_ups
from spantoll.storage.shared import read_unsettled
from tests.peers.conftest import PATIENCE_S, Collector, Peer, wait_until
from tests.receiver.conftest import COST_NANO, EXPORT, START_NS, Export, chat, request
from tests.storage.conftest import make_mariadb, make_postgresql, mariadb_server, postgresql_server
from tests.support.ports import free_address

__all__ = ["mariadb_server", "postgresql_server"]

pytestmark = pytest.mark.soak

CONFIGURATION = Path(__file__).with_name("two-receivers.yaml")
KILLS = 10
"""Of each receiver."""
BATCH = 25
PROGRESS = 2 * BATCH
"""Records that a receiver stores before it is killed again."""
PAUSE_S = 0.05
EMITTERS = ("opentelemetry.instrumentation.openai_v2", "litellm")
"""What reports each call twice: an instrumentation of the SDK and one of the gateway."""
SECOND_NS = 1_000_000_000

r = usage_record.c


def make_span(call: int, emitter: str) -> Span:
    """Make the span with which an emitter reports a call, in a trace of its own."""
    number = len(EMITTERS) * call + EMITTERS.index(emitter)
    response_id = f"chatcmpl-{call}"
    span = chat(number, start_ns=START_NS + call * SECOND_NS, gen_ai__response__id=response_id)
    span.trace_id = random.Random(number).randbytes(16)
    return span


class Emitter(threading.Thread):
    """Sends one request after another to its port of the Collector, until it is stopped."""

    def __init__(self, address: str, name: str) -> None:
        super().__init__(daemon=True, name=name)
        self._address = address
        self._stopping = threading.Event()
        self.calls = 0
        """Reported and acknowledged by the Collector."""

    def run(self) -> None:
        with grpc.insecure_channel(self._address) as channel:
            export: Export = channel.unary_unary(EXPORT)
            while not self._stopping.wait(PAUSE_S):
                numbers = range(self.calls, self.calls + BATCH)
                body = request(*(make_span(number, self.name) for number in numbers))
                body.resource_spans[0].scope_spans[0].scope.name = self.name
                export(body.SerializeToString(), timeout=PATIENCE_S, wait_for_ready=True)
                self.calls += BATCH

    def stop(self) -> None:
        self._stopping.set()
        self.join(PATIENCE_S)


@contextmanager
def opened(url: str) -> Iterator[Store]:
    store = open_store(url)
    try:
        yield store
    finally:
        store.close()


def count_records(store: Store, emitter: str) -> int:
    with store.engine.connect() as connection:
        counted = select(func.count()).where(r.scope_name == emitter)
        return int(connection.scalar(counted) or 0)


@pytest.mark.parametrize(
    "make_database", [make_postgresql, make_mariadb], ids=["postgresql", "mariadb"]
)
def test_two_receivers_that_are_killed_lose_nothing_and_count_each_call_once(
    request: pytest.FixtureRequest,
    running: Callable[[Peer], None],
    collector: Callable[..., Collector],
    tmp_path: Path,
    make_database: Callable[[pytest.FixtureRequest], str],
) -> None:
    url = make_database(request)
    receivers, addresses = [], [free_address(), free_address()]
    for name, address in zip(("first", "second"), addresses, strict=True):
        command = [sys.executable, "-m", "spantoll", "up", "--database", url]
        command += ["--grpc", address, "--http", free_address()]
        receivers.append(Peer(command, log=tmp_path / f"{name}.log", listens=[address]))
        running(receivers[-1])
    second = free_address()
    gateway = collector(
        str(CONFIGURATION),
        FIRST_GRPC=addresses[0],
        SECOND_GRPC=addresses[1],
        COLLECTOR_SECOND_GRPC=second,
    )
    emitters = [Emitter(gateway.grpc, EMITTERS[0]), Emitter(second, EMITTERS[1])]

    with opened(url) as store:

        def wait_for_progress(emitter: str) -> None:
            enough = count_records(store, emitter) + PROGRESS
            what = f"{PROGRESS} more records of {emitter}"
            wait_until(lambda: count_records(store, emitter) >= enough, what)

        for emitter in emitters:
            emitter.start()
        for _ in range(KILLS):
            for receiver, emitter in zip(receivers, emitters, strict=True):
                wait_for_progress(emitter.name)
                assert receiver.end(signal.SIGKILL) == -signal.SIGKILL
            with ThreadPoolExecutor() as starting:
                list(starting.map(Peer.start, receivers))
        for emitter in emitters:
            emitter.stop()
        calls = [emitter.calls for emitter in emitters]
        for emitter in emitters:
            wait_until(
                lambda sent=emitter: count_records(store, sent.name) >= sent.calls,  # type: ignore[misc]  # bound now
                f"{emitter.calls} records of {emitter.name}",
            )
        wait_until(lambda: read_unsettled(store.engine) is None, "what was stored to be settled")
        with store.engine.connect() as connection:
            stored = connection.execute(select(r.span_id, r.counted, r.cost_nano)).all()
        verified = verify_roll_ups(store.engine)

    print(f"{len(stored)} records of {max(calls)} calls, after {len(receivers) * KILLS} kills")
    sent = [
        make_span(call, emitter.name).span_id
        for emitter in emitters
        for call in range(emitter.calls)
    ]
    assert sorted(row.span_id for row in stored) == sorted(sent)
    assert sum(row.counted for row in stored) == max(calls)
    assert {row.cost_nano for row in stored} == {COST_NANO}
    assert verified.differences == []
    assert verified.gaps == []
    assert verified.days > 0
