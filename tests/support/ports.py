"""Ports for servers that a test starts in a process of its own, by number."""

from __future__ import annotations

import contextlib
import os
import random
import socket

WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
PORTS = range(20_000, 32_000)[WORKER::WORKERS]
"""Each pytest worker has its own. All are below the ports that systems give to clients (32,768 on
Linux): a client that calls such a port again and again, waiting for a restarted server, is one day
given that very port and connects to itself."""

_random = random.SystemRandom()
"""pytest-randomly seeds `random` alike in each worker, and in each test."""


_waiting = _random.sample(PORTS, len(PORTS))
"""Each port is given once before any is given again: a server with several may not have started."""


def free_port() -> int:
    """Return a TCP port on 127.0.0.1 that nobody listens on now."""
    while True:
        if not _waiting:
            _waiting.extend(_random.sample(PORTS, len(PORTS)))
        port = _waiting.pop()
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def free_address() -> str:
    """Return `127.0.0.1:` and a free port."""
    return f"127.0.0.1:{free_port()}"


def accepts_connections(address: str) -> bool:
    """Whether somebody listens there."""
    host, _, port = address.rpartition(":")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
        return True
    return False
