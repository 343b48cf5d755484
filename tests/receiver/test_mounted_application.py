"""An application beside OTLP on the same port, and what it may not do to OTLP."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator

import pytest

from spantoll.errors import ConfigurationError
from spantoll.otlp import PROTOBUF
from spantoll.pipeline import make_settle
from spantoll.pricing import RateCard
from spantoll.receiver import Bound, Limits, Receiver, serve
from spantoll.receiver.mount import Application, Receive, Scope, Send
from spantoll.storage import Store
from tests.receiver.conftest import PATIENCE_S, Rows, Running, chat, local, request, wait_until

BODY = request(chat(1)).SerializeToString()
MOST = 2

Mounted = Callable[[Application], Running]


async def answer(send: Send, code: int, body: bytes) -> None:
    await send({"type": "http.response.start", "status": code, "headers": []})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def mounted(store: Store, rate_card: RateCard) -> Iterator[Mounted]:
    started: list[Running] = []

    def start(application: Application) -> Running:
        config = local(limits=Limits(application_requests=MOST))
        receiver = Receiver(
            store, rate_card, config, settle=make_settle(rate_card), application=application
        )
        started.append(Running(receiver))
        return started[-1]

    yield start
    for running in started:
        running.stop()


@contextlib.contextmanager
def http_connection(port: int) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    with contextlib.closing(connection):
        yield connection


def get(running: Running, path: str) -> tuple[int, bytes]:
    with http_connection(running.http_port) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()


def test_an_application_answers_what_otlp_does_not(mounted: Mounted, rows: Rows) -> None:
    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, 200, scope["path"].encode())

    running = mounted(echo)

    assert get(running, "/api/v1/usage") == (200, b"/api/v1/usage")
    assert get(running, "/livez")[0] == 200
    assert running.http_protobuf(BODY).outcome == "OK"
    assert rows.count() == 1


async def test_spans_are_received_while_the_application_loads(
    database: str, rate_card: RateCard, rows: Rows
) -> None:
    may_load = threading.Event()
    found: list[object] = []

    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, 200, scope["path"].encode())

    def load(receiver: Receiver) -> Application:
        may_load.wait(PATIENCE_S)
        return echo

    def ask(port: int) -> None:
        with http_connection(port) as waiting, http_connection(port) as sender:
            waiting.request("GET", "/api")
            sender.request("POST", "/v1/traces", BODY, {"Content-Type": PROTOBUF})
            found.append(sender.getresponse().status)
            may_load.set()
            found.append(waiting.getresponse().read())
        os.kill(os.getpid(), signal.SIGTERM)

    def ready(receiver: Receiver, bound: Bound) -> None:
        assert bound.http is not None
        threading.Thread(target=ask, args=(bound.http,)).start()

    settle = make_settle(rate_card)
    status = await serve(
        database, local(), rate_card=rate_card, settle=settle, application=load, ready=ready
    )

    assert (status, found) == (0, [200, b"/api"])
    assert rows.count() == 1


async def test_an_application_that_cannot_be_loaded_ends_the_receiver(
    database: str, rate_card: RateCard
) -> None:
    receivers: list[Receiver] = []

    def load(receiver: Receiver) -> Application:
        receivers.append(receiver)
        raise ConfigurationError("trace_url is not a URL")

    settle = make_settle(rate_card)
    with pytest.raises(ConfigurationError, match="trace_url"):
        await serve(database, local(), rate_card=rate_card, settle=settle, application=load)

    assert not receivers[0].commit.alive


def test_an_application_that_fails_is_500_and_hurts_no_otlp(mounted: Mounted, rows: Rows) -> None:
    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("no such table")

    running = mounted(fail)
    code, body = get(running, "/api")

    assert (code, json.loads(body)["status"]) == (500, 500)
    assert b"no such table" not in body
    assert running.http_protobuf(BODY).outcome == "OK"


def test_an_application_that_fails_in_its_answer_is_cut_off(mounted: Mounted) -> None:
    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"9")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError

    running = mounted(fail)

    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        get(running, "/api")
    assert running.http_protobuf(BODY).outcome == "OK"


def test_an_application_that_never_answers_is_bounded_and_hurts_no_otlp(
    mounted: Mounted, rows: Rows
) -> None:
    waiting: list[asyncio.Event] = []

    async def wait(scope: Scope, receive: Receive, send: Send) -> None:
        waiting.append(asyncio.Event())
        await waiting[-1].wait()
        await answer(send, 200, b"late")

    running = mounted(wait)
    codes: list[int] = []
    clients = [
        threading.Thread(target=lambda: codes.append(get(running, "/api")[0])) for _ in range(MOST)
    ]
    for client in clients:
        client.start()
    wait_until(lambda: len(waiting) == MOST)

    code, _ = get(running, "/api")
    outcome = running.http_protobuf(BODY).outcome
    for event in waiting:
        running.loop.call_soon_threadsafe(event.set)
    for client in clients:
        client.join()

    assert (code, outcome) == (503, "OK")
    assert codes == [200] * MOST
    assert rows.count() == 1
