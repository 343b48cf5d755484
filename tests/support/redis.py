"""A Redis server of the tests' own: on a socket in a temporary directory."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["INSTALL", "find_program", "start_server"]

INSTALL = "apt-get install redis-server"
START_S = 20.0


def find_program() -> str | None:
    return shutil.which("redis-server")


@contextmanager
def start_server(program: str) -> Iterator[str]:
    """Start a server that writes nothing to the disk; give its URL."""
    with tempfile.TemporaryDirectory(prefix="spantoll-redis-") as directory:
        socket = Path(directory) / "redis.sock"
        process = subprocess.Popen(
            [program, "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", directory],
            stdout=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + START_S
            while not socket.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("redis-server does not start")
                time.sleep(0.02)
            yield f"unix://{socket}"
        finally:
            process.terminate()
            process.wait()
