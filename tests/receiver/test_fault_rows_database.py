"""Rows 36 and 37 of the fault matrix: a database that will not take what it is given."""

from __future__ import annotations

import contextlib
import json
import resource
import shutil
import sqlite3
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, cast

import pytest

from spantoll.errors import StoreUnavailable
from spantoll.receiver import health
from spantoll.storage import Store
from tests.receiver.conftest import COST_NANO, Rows, Running, chat, request

TRANSPORTS = ["grpc", "http_protobuf", "http_json"]

every_transport = pytest.mark.parametrize("transport", TRANSPORTS)


@pytest.fixture
def locked(store: Store, rows: Rows) -> Iterator[sqlite3.Connection]:
    """A lock as SQLite sees it while another process writes."""
    connection = sqlite3.connect(rows.path, isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN IMMEDIATE")
    yield connection
    connection.close()


def readiness(running: Running) -> tuple[int, dict[str, str]]:
    address = f"http://127.0.0.1:{running.http_port}/readyz"
    try:
        with urllib.request.urlopen(address) as response:
            return response.status, json.load(response)["checks"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)["checks"]


@every_transport
def test_row36_a_short_lock_only_slows_down(
    running: Running, locked: sqlite3.Connection, rows: Rows, transport: str
) -> None:
    release = threading.Timer(0.5, locked.execute, ("ROLLBACK",))
    release.start()

    reply = running.send(transport, request(chat(1)))
    release.join()

    assert (reply.outcome, reply.rejected) == ("OK", 0)
    assert rows.select("cost_nano") == [(COST_NANO,)]


@every_transport
def test_row36_a_long_lock_is_answered_retry_and_recovers(
    start: Callable[..., Running], locked: sqlite3.Connection, rows: Rows, transport: str
) -> None:
    running = start(answer_s=1.0)
    export = request(chat(1))

    refused = running.send(transport, export)
    locked.execute("ROLLBACK")
    accepted = resend(running, transport)

    assert refused.outcome == "RETRY"
    assert refused.retry_after_s is not None
    assert accepted == "OK"
    assert rows.select("cost_nano") == [(COST_NANO,)]


def resend(running: Running, transport: str) -> str:
    """Send until the backlog of the fault is gone, as every real sender does."""
    for _ in range(100):
        if (reply := running.send(transport, request(chat(1)))).outcome == "OK":
            return "OK"
        threading.Event().wait(0.1)
    return reply.outcome


@contextlib.contextmanager
def full(rows: Rows) -> Iterator[None]:
    """No file of this process may grow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def directory_removed(rows: Rows) -> Iterator[None]:
    """The file, its log and their directory are gone; the process still holds them open."""
    shutil.rmtree(rows.path.parent)
    yield
    rows.path.parent.mkdir()


class WriteOnlyFails:
    """A store that answers a ping and refuses every record."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def write(self, *_: object, **__: object) -> NoReturn:
        raise StoreUnavailable("disk I/O error")


def test_row37_writes_that_fail_are_seen_by_readiness_though_the_database_answers(
    start: Callable[..., Running], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = start(cast("Store", WriteOnlyFails(store)), retry_s=0.1)
    before, _ = readiness(running)

    running.send("http_protobuf", request(chat(1)))
    failing, checks = readiness(running)
    monkeypatch.setattr(health, "FAILED_S", 0.0)
    later, _ = readiness(running)

    assert (before, failing, later) == (200, 503, 200)
    assert (checks["database"], checks["writes"]) == ("ok", "disk I/O error")


Fault = Callable[[Rows], contextlib.AbstractContextManager[None]]


@every_transport
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(full, id="row37-full"),
        pytest.param(directory_removed, id="row37-directory-removed"),
    ],
)
def test_a_database_that_cannot_be_written_is_answered_retry_and_recovers(
    start: Callable[..., Running], rows: Rows, transport: str, fault: Fault
) -> None:
    running = start(retry_s=0.3)

    with fault(rows):
        refused = running.send(transport, request(*(chat(n) for n in range(512))))
        status, checks = readiness(running)
    accepted = resend(running, transport)

    assert refused.outcome == "RETRY"
    assert (status, checks["database"] == "ok") == (503, False)
    assert accepted == "OK"
    assert rows.select("cost_nano") == [(COST_NANO,)]
