"""Targets that cut off their answers, or never end them: no span is lost, no other target waits."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from spantoll.forward.sender import Outcome, connect
from spantoll.forward.target import Target
from tests.forward.conftest import Make, Sinks, arrived, forward, request, wait_until

OK = b"HTTP/1.1 200 OK\r\n"

Serve = Callable[..., str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A server that answers each connection with the next of the answers, then closes it."""
    ending = threading.Event()
    listeners: list[socket.socket] = []

    def serve(*answers: bytes, repeat: bool = False) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def run() -> None:
            for answer in answers:
                with contextlib.suppress(OSError):
                    connection, _ = listener.accept()
                    with connection:
                        read_request(connection)
                        connection.sendall(answer)
                        while repeat and not ending.is_set():
                            connection.sendall(answer)

        threading.Thread(target=run, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield serve
    ending.set()
    for listener in listeners:
        listener.close()


def read_request(connection: socket.socket) -> None:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65_536)
    head, _, body = received.partition(b"\r\n\r\n")
    [length] = [
        int(line.partition(b":")[2])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length")
    ]
    while len(body) < length:
        body += connection.recv(65_536)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 2",
        OK + b"content-length: 100\r\n\r\nabc",
        OK + b"transfer-encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 503 Busy\r\ncontent-length: 100\r\n\r\nabc",
    ],
    ids=["nothing", "status", "body", "chunk", "busy"],
)
def test_a_connection_closed_in_mid_answer_is_tried_again(serve: Serve, answer: bytes) -> None:
    sender = connect(Target.parse(serve(answer, OK + b"content-length: 0\r\n\r\n")), {})

    replies = [sender.send(b"body", hops="", timeout_s=20).outcome for _ in range(2)]

    assert replies == [Outcome.RETRY, Outcome.TAKEN]
    sender.close()


def test_an_answer_without_end_is_not_read_to_its_end(serve: Serve) -> None:
    url = serve(OK + b"content-length: 1000000000\r\n\r\n" + b"x" * 100_000, repeat=True)
    sender = connect(Target.parse(url), {})

    assert sender.send(b"body", hops="", timeout_s=20).outcome is Outcome.TAKEN
    sender.close()


def test_a_target_that_answers_only_sometimes_gets_every_span(make: Make, sinks: Sinks) -> None:
    sink = sinks("http")
    forwarder = make(sink.url, "http://127.0.0.1:9")
    sink.answers = [429, None, 502, None, None, 504, 503]

    for _ in range(5):
        forward(forwarder, request(20))
    wait_until(lambda: next(iter(forwarder.counts().values())).waiting == 0)

    assert arrived(sink) == list(range(1, 21)) * 5
