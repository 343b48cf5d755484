"""Senders in processes of their own: as fast as they are answered, or at a given rate.

In: addresses, a rate, a number of connections. Out: when each request was sent, how long its answer
took and what it was. Senders yield the processor to the receiver: in life they have their own.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import random
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import grpc
from benchmarks.load import Connection, GrpcConnection, HttpConnection, Traffic

__all__ = ["Load", "Sent", "percentile_s", "send"]

SPAWN = multiprocessing.get_context("spawn")
MADE = 200
"""Requests that a process encodes before it begins. It encodes more as they are accepted: encoding
takes a millisecond each, which at several times the capacity would be most of a processor."""
NICENESS = 10


class Load(NamedTuple):
    """What one process sends."""

    target: str
    transport: str
    seconds: float
    requests_per_s: float | None
    """None: as fast as the answers come."""
    connections: int
    spans: int
    seed: int
    token: str = ""


class Sent(NamedTuple):
    """One request, answered."""

    at_s: float
    took_s: float
    accepted: bool


class TokenConnection(HttpConnection):
    """As HttpConnection, with a token."""

    def __init__(self, target: str, token: str) -> None:
        super().__init__(target)
        self._headers = {
            "Content-Type": "application/x-protobuf",
            "Authorization": f"Bearer {token}",
        }

    def send(self, body: bytes) -> bool:
        self._connection.request("POST", "/v1/traces", body, self._headers)
        response = self._connection.getresponse()
        response.read()
        return response.status == 200


class Sender:
    """Requests of one process, over several connections. What is refused is sent again later."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._traffic = Traffic(load.seed, batch=load.spans)
        self._made = deque(self._traffic.request() for _ in range(MADE))
        self._lock = threading.Lock()
        self._due_s = time.monotonic()
        self._end_s = self._due_s + load.seconds
        self.sent: list[Sent] = []

    def run(self) -> None:
        """Send until the time is over."""
        threads = [threading.Thread(target=self._send) for _ in range(self._load.connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _connect(self) -> Connection:
        if self._load.transport == "grpc":
            return GrpcConnection(self._load.target)
        return TokenConnection(self._load.target, self._load.token)

    def _send(self) -> None:
        connection = self._connect()
        while True:
            with self._lock:
                body = self._made.popleft() if self._made else self._traffic.request()
                if self._load.requests_per_s is not None:
                    self._due_s += random.expovariate(self._load.requests_per_s)
                due_s = self._due_s
            if max(due_s, time.monotonic()) > self._end_s:
                return
            time.sleep(max(0.0, due_s - time.monotonic()))
            began_s = time.monotonic()
            try:
                accepted = connection.send(body)
            except (OSError, grpc.RpcError):
                accepted = False
                connection = self._connect()
            self.sent.append(Sent(began_s, time.monotonic() - began_s, accepted))
            if not accepted:
                self._made.append(body)


def _work(load: Load, results: multiprocessing.Queue[list[Sent]]) -> None:
    os.nice(NICENESS)
    sender = Sender(load)
    sender.run()
    results.put(sender.sent)


def send(loads: Sequence[Load]) -> list[Sent]:
    """Send all loads at the same time, each in a process."""
    results = SPAWN.Queue()
    processes = [SPAWN.Process(target=_work, args=(load, results)) for load in loads]
    for process in processes:
        process.start()
    sent = [each for _ in processes for each in results.get()]
    for process in processes:
        process.join()
    return sent


def percentile_s(sent: Sequence[Sent], percent: float) -> float:
    """Return how long the slowest of `percent` of the accepted requests took."""
    took_s = sorted(each.took_s for each in sent if each.accepted)
    return took_s[max(0, math.ceil(len(took_s) * percent / 100) - 1)]
