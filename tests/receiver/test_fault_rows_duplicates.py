"""Rows 31 to 35 of the fault matrix: the same span again, and answers that never arrive."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from spantoll.records import UsageRecord
from spantoll.storage import Settle, Store, WriteResult
from tests.receiver.conftest import (
    COST_NANO,
    EXPORT,
    PATIENCE_S,
    Export,
    Rows,
    Running,
    chat,
    request,
    wait_until,
)

SPANS = 64


def test_row31_a_span_twice_in_one_request_is_one_record(running: Running, rows: Rows) -> None:
    reply = running.send("grpc", request(chat(1), chat(2), chat(1)))

    assert (reply.outcome, reply.rejected) == ("OK", 0)
    assert rows.span_ids() == [chat(1).span_id, chat(2).span_id]


def test_row31_a_request_twice_is_stored_once(running: Running, rows: Rows) -> None:
    export = request(*(chat(n) for n in range(SPANS)))

    replies = [running.send("grpc", export) for _ in range(2)]

    assert {reply.outcome for reply in replies} == {"OK"}
    assert rows.select("count(*), sum(cost_nano)") == [(SPANS, SPANS * COST_NANO)]


def test_row31_a_request_over_every_transport_is_stored_once(running: Running, rows: Rows) -> None:
    export = request(*(chat(n) for n in range(SPANS)))

    replies = [running.send(t, export) for t in ("grpc", "http_protobuf", "http_json")]

    assert {reply.outcome for reply in replies} == {"OK"}
    assert rows.select("count(*), sum(cost_nano)") == [(SPANS, SPANS * COST_NANO)]


def test_row31_eight_threads_sending_the_same_spans_store_them_once(
    running: Running, rows: Rows
) -> None:
    export = request(*(chat(n) for n in range(SPANS)))
    transports = ["grpc", "http_protobuf"] * 16

    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda transport: running.send(transport, export), transports))

    assert {(reply.outcome, reply.rejected) for reply in replies} == {("OK", 0)}
    assert rows.select("count(*), sum(cost_nano)") == [(SPANS, SPANS * COST_NANO)]


def test_row31_two_receivers_on_one_database_store_a_span_once(
    start: Callable[..., Running], rows: Rows
) -> None:
    running = [start(), start()]
    export = request(*(chat(n) for n in range(SPANS)))

    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda n: running[n % 2].send("grpc", export), range(16)))

    assert {reply.outcome for reply in replies} == {"OK"}
    assert rows.select("count(*), sum(cost_nano)") == [(SPANS, SPANS * COST_NANO)]


@pytest.mark.parametrize("other", [7, 5_000])
def test_row32_of_two_contents_the_first_complete_one_stays(
    running: Running, rows: Rows, other: int
) -> None:
    first = request(chat(1))
    second = request(chat(1, gen_ai__usage__input_tokens=other))

    replies = [running.send("grpc", first), running.send("grpc", second)]

    assert {reply.outcome for reply in replies} == {"OK"}
    assert rows.select("input_tokens, cost_nano") == [(1_000, COST_NANO)]


def test_row32_a_first_version_without_usage_gives_way_to_one_with_usage(
    running: Running, rows: Rows
) -> None:
    begun, ended = chat(1), chat(1)
    usage = [each for each in begun.attributes if each.key.startswith("gen_ai.usage.")]
    for each in usage:
        begun.attributes.remove(each)

    replies = [running.send("grpc", request(span)) for span in (begun, ended, begun)]

    assert {reply.outcome for reply in replies} == {"OK"}
    assert rows.select("input_tokens, cost_nano") == [(1_000, COST_NANO)]


def test_row33_a_span_id_belongs_to_its_trace(running: Running, rows: Rows) -> None:
    other = chat(1)
    other.trace_id = bytes([9] * 16)

    running.send("grpc", request(chat(1), other))

    assert rows.span_ids() == [chat(1).span_id] * 2


class CuttingProxy:
    """Passes requests on and drops the connection instead of the first answer."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.cut = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                threading.Thread(target=self._copy, args=(near, far, False), daemon=True).start()
                threading.Thread(target=self._copy, args=(far, near, True), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if is_answer and data.startswith(b"HTTP/1.1 200") and not self.cut.is_set():
                    self.cut.set()
                    break
                sink.sendall(data)
        for sock in (source, sink):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()


def test_row34_a_lost_acknowledgement_makes_no_second_record(running: Running, rows: Rows) -> None:
    proxy = CuttingProxy(running.http_port)
    running.http_port = proxy.port
    export = request(chat(1))

    with pytest.raises(OSError, match=r"without response|reset"):
        running.send("http_protobuf", export)
    reply = running.send("http_protobuf", export)
    proxy.close()

    assert proxy.cut.is_set()
    assert reply.outcome == "OK"
    assert rows.select("cost_nano") == [(COST_NANO,)]


class HeldStore:
    """A real store whose writes wait for `gate`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.url = store.url
        self.writers = store.writers
        self.engine = store.engine
        self.add_rates = store.add_rates
        self.ping = store.ping
        self.transaction = store.transaction
        self.settle_pending = store.settle_pending
        self.checkpoint = store.checkpoint
        self.close = store.close
        self.gate = threading.Event()
        self.entered = threading.Event()

    def write(self, records: Sequence[UsageRecord], *, settle: Settle | None = None) -> WriteResult:
        self.entered.set()
        self.gate.wait(PATIENCE_S)
        return self._store.write(records, settle=settle)


def test_row35_a_deadline_leaves_nothing_behind(
    start: Callable[..., Running], store: Store, rows: Rows
) -> None:
    held = HeldStore(store)
    running = start(held)
    body = request(chat(1)).SerializeToString()

    late = running.grpc(body, timeout_s=0.2)
    held.gate.set()
    retried = running.grpc(body)

    assert late.outcome in {"DEADLINE_EXCEEDED", "RETRY"}
    assert retried.outcome == "OK"
    assert rows.select("cost_nano") == [(COST_NANO,)]
    assert running.receiver.intake.admission.taken_bytes == 0


def test_row35_a_cancelled_call_that_still_waits_is_not_written(
    start: Callable[..., Running], store: Store, rows: Rows
) -> None:
    held = HeldStore(store)
    running = start(held)
    export: Export = running.channel.unary_unary(EXPORT)
    first = export.future(request(chat(1)).SerializeToString())
    wait_until(held.entered.is_set)

    second = export.future(request(chat(2)).SerializeToString())
    wait_until(lambda: running.receiver.commit.waiting)
    second.cancel()
    first_bytes = len(request(chat(1)).SerializeToString())
    wait_until(lambda: running.receiver.intake.admission.taken_bytes <= first_bytes)
    held.gate.set()
    first.result()

    with pytest.raises(grpc.FutureCancelledError):
        second.result()
    assert rows.span_ids() == [chat(1).span_id]


def test_a_database_that_hangs_is_answered_before_the_sender_gives_up(
    start: Callable[..., Running], store: Store, rows: Rows
) -> None:
    held = HeldStore(store)
    running = start(held, answer_s=0.3)
    export = request(chat(1))

    replies = [running.send(t, export) for t in ("grpc", "http_protobuf", "http_json")]
    held.gate.set()

    assert [reply.outcome for reply in replies] == ["RETRY"] * 3
    assert all(reply.retry_after_s is not None for reply in replies)
    # The write that was held, and this one, may take longer than the limit on a busy machine.
    wait_until(lambda: running.send("grpc", export).outcome == "OK")
    assert rows.count() == 1
