"""Rows 25, 49, 50, 52, 56, 61 and 62 of the fault matrix: clocks, descriptors, streams, texts."""

from __future__ import annotations

import contextlib
import http.client
import socket
from collections.abc import Callable

import grpc
import pytest

from tests.receiver.conftest import (
    COST_NANO,
    EXPORT,
    PROTOBUF,
    START_NS,
    Export,
    Process,
    Rows,
    Running,
    chat,
    request,
    wait_until,
)

HOUR_NS = 3_600 * 10**9
BODY = request(chat(1)).SerializeToString()


def post(port: int, body: bytes) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    with contextlib.closing(connection):
        connection.request("POST", "/v1/traces", body, {"Content-Type": PROTOBUF})
        response = connection.getresponse()
        response.read()
        return response.status


def test_row25_a_clock_that_steps_back_is_stored_as_sent(running: Running, rows: Rows) -> None:
    starts = [START_NS, START_NS + HOUR_NS, START_NS - HOUR_NS, START_NS]

    for number, start_ns in enumerate(starts):
        running.http_protobuf(request(chat(number, start_ns=start_ns)).SerializeToString())

    assert rows.select("started_ns, flaws, cost_nano") == [
        (start_ns, None, COST_NANO) for start_ns in starts
    ]


FEW_DESCRIPTORS = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
"""


def test_row49_a_receiver_without_file_descriptors_recovers(
    spawn: Callable[..., Process], rows: Rows
) -> None:
    process = spawn(FEW_DESCRIPTORS)

    with contextlib.ExitStack() as idle:
        for _ in range(100):
            idle.enter_context(socket.create_connection(("127.0.0.1", process.http_port)))
    wait_until(lambda: is_stored(process))

    assert rows.count() == 1


def is_stored(process: Process) -> bool:
    """Send as a sender does that tries again after a connection was cut."""
    try:
        return post(process.http_port, BODY) == 200
    except (ConnectionError, http.client.HTTPException):
        return False


JUMPING_CLOCK = """
import itertools, time
days = itertools.cycle((-86_400, 86_400))
seconds, nanoseconds = time.time, time.time_ns
time.time = lambda: seconds() + next(days)
time.time_ns = lambda: nanoseconds() + next(days) * 10**9
"""


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_row50_a_system_clock_that_jumps_stops_no_request(
    spawn: Callable[..., Process], rows: Rows
) -> None:
    process = spawn(JUMPING_CLOCK)

    statuses = {
        post(process.http_port, request(chat(number)).SerializeToString()) for number in range(20)
    }

    assert statuses == {200}
    assert rows.count() == 20


def test_row52_idle_connections_are_capped_and_hold_no_one_up_for_good(
    start: Callable[..., Running], rows: Rows
) -> None:
    running = start(connections=50)

    with contextlib.ExitStack() as idle:
        for _ in range(200):
            idle.enter_context(socket.create_connection(("127.0.0.1", running.http_port)))
        beside = running.grpc(BODY).outcome
    after = running.http_protobuf(BODY).outcome

    assert (beside, after) == ("OK", "OK")
    assert rows.count() == 1


def test_row56_a_hundred_calls_share_one_connection(running: Running, rows: Rows) -> None:
    export: Export = running.channel.unary_unary(EXPORT)

    calls = [
        export.future(request(chat(number)).SerializeToString(), timeout=20)
        for number in range(100)
    ]
    codes = {call.code() for call in calls}

    assert codes == {grpc.StatusCode.OK}
    assert rows.count() == 100


def test_row61_no_other_origin_is_allowed(running: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", running.http_port, timeout=20)
    headers = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}

    with contextlib.closing(connection):
        connection.request("OPTIONS", "/v1/traces", headers=headers)
        response = connection.getresponse()
        response.read()

    assert response.status == 405
    assert response.getheader("Access-Control-Allow-Origin") is None


@pytest.mark.parametrize(
    "text",
    [
        "'; DROP TABLE usage_record; --",
        "<script>alert(1)</script>",
        "=HYPERLINK(A1)",
        "%s %(x)s :x",
    ],
    ids=["row62-sql", "row62-html", "row62-formula", "row62-parameters"],
)
def test_text_that_means_something_elsewhere_is_stored_as_text(
    running: Running, rows: Rows, text: str
) -> None:
    running.http_protobuf(request(chat(1, user__id=text)).SerializeToString())

    assert rows.select("user_id") == [(text,)]
