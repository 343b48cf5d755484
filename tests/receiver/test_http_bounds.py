"""Rows 12 and 51 of the fault matrix: what a hostile or broken HTTP client may do."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from collections.abc import Callable, Iterator

import pytest

from tests.receiver.conftest import PROTOBUF, Rows, Running, chat, request

BODY = request(chat(1)).SerializeToString()
POST = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
SECOND = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
TLS_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(196)
H2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)


@contextlib.contextmanager
def connected(running: Running) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", running.http_port), timeout=15) as sock:
        yield sock


def read_all(sock: socket.socket) -> bytes:
    """What comes until the server closes."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := sock.recv(65_536):
            received += chunk
    return received


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(
            POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SECOND,
            b"400",
            id="row12-length-and-chunked",
        ),
        pytest.param(POST + b"Content-Length: -1\r\n\r\n" + SECOND, b"400", id="row12-bad-length"),
        pytest.param(POST + b"Content-Length: ten\r\n\r\n" + SECOND, b"400", id="row12-no-number"),
        pytest.param(
            POST + b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n" + SECOND,
            b"400",
            id="row12-two-lengths",
        ),
        pytest.param(POST + b"Content-Length : 0\r\n\r\n" + SECOND, b"400", id="row12-space"),
        pytest.param(POST + b"X: " + b"y" * 100_000 + b"\r\n\r\n", b"431", id="row12-big-header"),
        pytest.param(POST + b"X: y\r\n" * 20_000 + b"\r\n", b"431", id="row12-many-headers"),
        pytest.param(POST + b"X: " + b"y" * 100_000, b"431", id="row12-unfinished-header"),
        pytest.param(SECOND.replace(b"Host: x\r\n", b""), b"400", id="row12-no-host"),
        pytest.param(
            SECOND.replace(b"Host: x\r\n", b"Host: x\r\nhost: x\r\n"), b"400", id="row12-two-hosts"
        ),
        pytest.param(TLS_HELLO, b"400", id="row12-tls"),
        pytest.param(H2_PREFACE, b"400", id="row12-http2"),
    ],
)
def test_a_malformed_head_is_refused_once_and_closes(
    running: Running, rows: Rows, sent: bytes, status: bytes
) -> None:
    with connected(running) as sock:
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            sock.sendall(sent)
        received = read_all(sock)

    assert received.startswith(b"HTTP/1.1 " + status)
    assert received.count(b"HTTP/1.1") == 1
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"content-type: application/json" in head
    assert json.loads(body)["code"] == 3
    assert rows.count() == 0


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="row51-nothing"),
        pytest.param(b"\r\n\r\n", id="row51-empty-lines"),
        pytest.param(POST, id="row51-half-a-head"),
        pytest.param(POST + b"Content-Length: 99\r\n\r\nhalf", id="row51-half-a-body"),
        pytest.param(
            POST + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", id="row51-half-the-chunks"
        ),
    ],
)
def test_a_client_that_stops_is_cut_off_without_an_answer(
    start: Callable[..., Running], rows: Rows, sent: bytes
) -> None:
    running = start(head_s=0.2, body_s=0.2)

    with connected(running) as sock:
        sock.sendall(sent)
        received = read_all(sock)
    others = running.http_protobuf(BODY)

    assert received == b""
    assert others.outcome == "OK"
    assert rows.count() == 1
    assert running.receiver.intake.admission.taken_bytes == 0


@pytest.mark.parametrize("part", ["head", "body"], ids="row51-slow-{}".format)
def test_a_client_that_dribbles_is_cut_off(start: Callable[..., Running], part: str) -> None:
    running = start(head_s=0.3, body_s=0.3)
    first = POST if part == "head" else POST + b"Content-Length: 9999\r\n\r\n"

    with connected(running) as sock:
        sock.sendall(first)
        sock.settimeout(0.05)
        closed = False
        while not closed:
            with contextlib.suppress(TimeoutError):
                closed = sock.recv(1) == b""
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                sock.sendall(b"x")

    assert closed


def test_an_idle_connection_is_closed_after_a_while(start: Callable[..., Running]) -> None:
    running = start(idle_s=1)

    with connected(running) as sock:
        sock.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY)
        received = read_all(sock)

    assert received.startswith(b"HTTP/1.1 200")


def test_a_connection_serves_many_requests(running: Running, rows: Rows) -> None:
    one = POST + b"Content-Length: %d\r\n\r\n"
    bodies = [request(chat(n)).SerializeToString() for n in range(5)]

    with connected(running) as sock:
        sock.sendall(b"".join(one % len(body) + body for body in bodies))
        received = b""
        while received.count(b"HTTP/1.1 200") < 5 and (chunk := sock.recv(65_536)):
            received += chunk

    assert received.count(b"HTTP/1.1 200") == 5
    assert rows.count() == 5


def test_http_1_0_needs_no_host(running: Running) -> None:
    with connected(running) as sock:
        sock.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
        received = read_all(sock)

    assert received.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        *((method, "/v1/traces", "POST") for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS")),
        ("GET", "/v1/logs", "POST"),
        *(("POST", path, "GET, HEAD") for path in ("/livez", "/readyz", "/metrics")),
    ],
    ids=lambda value: f"row11-{value}",
)
def test_a_method_that_a_path_does_not_have_is_405_with_those_it_has(
    running: Running, method: str, path: str, allow: str
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", running.http_port, timeout=20)
    with contextlib.closing(connection):
        connection.request(method, path, BODY if method in ("PUT", "POST") else None)
        response = connection.getresponse()
        response.read()
        allowed = response.getheader("Allow")

    assert (response.status, allowed) == (405, allow)


def test_a_client_that_expects_it_gets_100_continue(running: Running, rows: Rows) -> None:
    with connected(running) as sock:
        sock.sendall(POST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(BODY))
        interim = sock.recv(1_000)
        sock.sendall(BODY)
        answered = sock.recv(1_000)

    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answered.startswith(b"HTTP/1.1 200")
    assert rows.count() == 1


def test_a_body_announced_as_too_large_is_refused_before_it_is_sent(
    start: Callable[..., Running],
) -> None:
    running = start(body_bytes=1_000)

    with connected(running) as sock:
        sock.sendall(POST + b"Expect: 100-continue\r\nContent-Length: 1001\r\n\r\n")
        answered = sock.recv(1_000)

    assert answered.startswith(b"HTTP/1.1 413")


def test_too_many_connections_are_answered_retry(start: Callable[..., Running]) -> None:
    running = start(connections=2)

    with connected(running), connected(running), connected(running) as third:
        received = read_all(third)

    assert received.startswith(b"HTTP/1.1 503")
    assert b"\r\nretry-after: 1\r\n" in received


def test_an_answer_that_nobody_reads_is_given_up(start: Callable[..., Running]) -> None:
    running = start(write_s=0.2)
    # Answers larger than their requests fill the buffers of both sides soon.
    one = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"x" * 300)

    with connected(running) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            sock.sendall(one * 200_000)

    assert running.http_protobuf(BODY).outcome == "OK"


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_a_working_receiver_is_live_and_ready(running: Running, path: str) -> None:
    with connected(running) as sock:
        sock.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % path.encode())
        head, _, body = read_all(sock).partition(b"\r\n\r\n")

    answer = json.loads(body)
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert answer["status"] == "ok"
    assert set(answer["checks"].values()) == {"ok"}


def test_an_error_is_answered_in_the_encoding_of_the_request(running: Running) -> None:
    replies = [running.http_protobuf(b"\xff"), running.http_json(b"\xff")]

    assert [reply.headers["content-type"] for reply in replies] == [PROTOBUF, "application/json"]
    assert [reply.outcome for reply in replies] == ["BAD", "BAD"]
