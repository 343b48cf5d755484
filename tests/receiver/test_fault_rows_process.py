"""Rows 44, 45, 47 and 48 of the fault matrix: processes that end, politely or not."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable

import grpc
import pytest

from tests.receiver.conftest import (
    COST_NANO,
    EXPORT,
    PATIENCE_S,
    PROTOBUF,
    Export,
    Process,
    Rows,
    Running,
    chat,
    request,
    wait_until,
)
from tests.support.ports import accepts_connections

BATCH = 64

Spawn = Callable[..., Process]


def batch(number: int) -> bytes:
    return request(*(chat(number * BATCH + n) for n in range(BATCH))).SerializeToString()


class Sender(threading.Thread):
    """Sends batches, each until it is acknowledged, to whichever receiver is there."""

    def __init__(self, transport: str, numbers: range) -> None:
        super().__init__(daemon=True)
        self._transport = transport
        self._numbers = numbers
        self.process: Process | None = None
        self.acknowledged: list[int] = []
        self.postponed: set[int] = set()
        """Told that they were not committed in time, so they may be stored or not."""
        self.refused: list[str] = []
        self.stop = threading.Event()

    def run(self) -> None:
        for number in self._numbers:
            if self.stop.is_set():
                return
            body = batch(number)
            while not self.stop.is_set():
                process = self.process
                if process is not None:
                    outcome = self._send(process, body)
                    if outcome is None:
                        self.acknowledged.append(number)
                        break
                    if "not committed in time" in outcome:
                        self.postponed.add(number)
                self.stop.wait(0.005)

    def _send(self, process: Process, body: bytes) -> str | None:
        """Return None for a batch that is acknowledged, else what is said of it."""
        return (self._export if self._transport == "grpc" else self._post)(process, body)

    def _export(self, process: Process, body: bytes) -> str | None:
        with grpc.insecure_channel(f"127.0.0.1:{process.grpc_port}") as channel:
            export: Export = channel.unary_unary(EXPORT)
            try:
                export(body, timeout=PATIENCE_S)
            except grpc.RpcError as error:
                outcome = f"{error.code().name}: {error.details()}"
                if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
                    self.refused.append(outcome)
                return outcome
        return None

    def _post(self, process: Process, body: bytes) -> str | None:
        connection = http.client.HTTPConnection("127.0.0.1", process.http_port, timeout=PATIENCE_S)
        try:
            connection.request("POST", "/v1/traces", body, {"Content-Type": PROTOBUF})
            response = connection.getresponse()
            outcome = f"{response.status}: {response.read()!r}"
        except (OSError, http.client.HTTPException) as error:
            return repr(error)
        finally:
            connection.close()
        if response.status not in (200, 503):
            self.refused.append(outcome)
        return None if response.status == 200 else outcome


def acknowledged_by(senders: list[Sender]) -> int:
    return sum(len(sender.acknowledged) for sender in senders)


def spans_of(numbers: Iterable[int]) -> set[bytes]:
    return {chat(number * BATCH + n).span_id for number in numbers for n in range(BATCH)}


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.soak)])
def test_row44_kills_under_load_lose_nothing_and_store_nothing_twice(
    spawn: Spawn, rows: Rows, kills: int
) -> None:
    senders = [
        Sender("grpc" if n % 2 else "http", range(n * 100_000, (n + 1) * 100_000)) for n in range(4)
    ]
    for sender in senders:
        sender.start()

    for kill in range(kills):
        process = spawn()
        for sender in senders:
            sender.process = process
        before = acknowledged_by(senders)
        enough = before + 1 + kill % 7
        wait_until(lambda: acknowledged_by(senders) >= enough)  # noqa: B023 - called right here
        process.popen.send_signal(signal.SIGKILL)
        process.popen.wait()
    for sender in senders:
        sender.stop.set()
        sender.join()

    acknowledged = spans_of(number for sender in senders for number in sender.acknowledged)
    stored = rows.span_ids()
    assert acknowledged <= set(stored)
    assert len(stored) == len(set(stored))
    assert [sender.refused for sender in senders] == [[]] * 4
    # What is stored beyond that was committed, but its answer did not get out: whole batches.
    in_flight = {(int.from_bytes(span_id) - 1) // BATCH for span_id in set(stored) - acknowledged}
    assert len(stored) == len(acknowledged) + len(in_flight) * BATCH


KILLED_AFTER_COMMIT = """
import os, signal
from spantoll.pipeline.ledger import Ledger
write = Ledger.write
def write_and_die(self, records, *, rates):
    write(self, records, rates=rates)
    os.kill(os.getpid(), signal.SIGKILL)
Ledger.write = write_and_die
"""


def test_row45_a_kill_between_commit_and_answer_makes_no_second_record(
    spawn: Spawn, rows: Rows
) -> None:
    sender = Sender("grpc", range(1))
    killed = spawn(KILLED_AFTER_COMMIT)
    sender.process = killed
    sender.start()
    killed.popen.wait(PATIENCE_S)
    committed = rows.count()

    sender.process = spawn()
    sender.join(PATIENCE_S)

    assert committed == BATCH
    assert sender.acknowledged == [0]
    assert rows.select("count(*), sum(cost_nano)") == [(BATCH, BATCH * COST_NANO)]


@pytest.mark.parametrize("transport", ["grpc", "http"], ids="row47-{}".format)
def test_sigterm_under_load_answers_what_it_took_and_ends_well(
    spawn: Spawn, rows: Rows, transport: str
) -> None:
    process = spawn()
    senders = [Sender(transport, range(n * 100_000, (n + 1) * 100_000)) for n in range(4)]
    for sender in senders:
        sender.process = process
        sender.start()
    wait_until(lambda: acknowledged_by(senders) >= 20)

    process.popen.send_signal(signal.SIGTERM)
    status = process.popen.wait(PATIENCE_S)
    for sender in senders:
        sender.stop.set()
        sender.join()

    acknowledged = spans_of(number for sender in senders for number in sender.acknowledged)
    # On a machine that stalls for seconds, and no other: what was sent again came too late.
    postponed = spans_of(number for sender in senders for number in sender.postponed)
    stored = rows.span_ids()
    assert status == 0
    assert [sender.refused for sender in senders] == [[]] * 4
    assert len(stored) == len(set(stored))
    assert set(stored) - postponed == acknowledged - postponed
    assert acknowledged <= set(stored)


STUCK_WRITES = """
import time
from spantoll.pipeline.ledger import Ledger
def write(self, records, *, rates):
    print("writing", flush=True)
    time.sleep(3600)
Ledger.write = write
"""


def test_row47_a_second_sigterm_ends_at_once(spawn: Spawn) -> None:
    process = spawn(STUCK_WRITES)
    sender = Sender("http", range(1))
    sender.process = process
    sender.start()
    assert process.popen.stdout is not None
    assert process.popen.stdout.readline() == b"writing\n"

    process.popen.send_signal(signal.SIGTERM)
    wait_until(lambda: not accepts_connections(f"127.0.0.1:{process.grpc_port}"))
    process.popen.send_signal(signal.SIGTERM)
    status = process.popen.wait(PATIENCE_S)
    sender.stop.set()
    sender.join()

    assert status == 1
    assert sender.acknowledged == []


PORT_IN_USE = """
import sys
from spantoll.errors import ConfigurationError
from spantoll.pipeline import make_settle
from spantoll.pricing import load_rate_card
from spantoll.receiver import ReceiverConfig, run
try:
    card = load_rate_card()
    config = ReceiverConfig(grpc={grpc!r}, http={http!r})
    run({database!r}, config, rate_card=card, settle=make_settle(card))
except ConfigurationError as error:
    sys.exit(str(error))
"""


def ends(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=30
    )


@pytest.mark.parametrize("flag", ["--grpc", "--http"], ids="row48-{}".format)
def test_a_port_in_use_fails_with_one_line_that_names_the_flag(database: str, flag: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        other = "127.0.0.1:0"
        program = PORT_IN_USE.format(
            database=database,
            grpc=address if flag == "--grpc" else other,
            http=address if flag == "--http" else other,
        )
        ended = ends(program)

    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        f"{flag} {address}: the port is in use, choose another with {flag}"
    ]


@pytest.mark.parametrize("flag", ["grpc", "http"], ids="row48-second-{}".format)
def test_two_receivers_never_share_a_port(running: Running, flag: str) -> None:
    port = running.grpc_port if flag == "grpc" else running.http_port
    addresses = {"grpc": "127.0.0.1:0", "http": "127.0.0.1:0"} | {flag: f"127.0.0.1:{port}"}
    program = PORT_IN_USE.format(database="sqlite://", **addresses)

    ended = ends(program)

    assert ended.returncode == 1
    assert f"--{flag} 127.0.0.1:{port}: the port is in use" in ended.stderr
