from __future__ import annotations

import re
import sqlite3
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.forward.conftest import free_port
from tests.forward.test_receiver_forwards import chat, request

Start = Callable[..., Any]
Wait = Callable[[Callable[[], object]], None]


def forwarding_metrics(running: Any) -> dict[str, float]:
    with urllib.request.urlopen(f"{running.http}/metrics", timeout=20) as response:
        text = response.read().decode()
    found = re.findall(r"^spantoll_forward_(\w+)\{.*\} (\S+)$", text, re.MULTILINE)
    return {name: float(number) for name, number in found}


def stored(path: Path) -> list[tuple[int, int | None]]:
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT cost_nano, reported_cost_nano FROM usage_record").fetchall()
    connection.close()
    return rows


def test_receivers_in_a_loop_pass_a_request_once(up: Start, wait: Wait, tmp_path: Path) -> None:
    ports = free_port(), free_port()
    ledgers = tmp_path / "one.db", tmp_path / "other.db"
    one, other = (
        up(
            *("--database", f"sqlite:///{ledgers[n]}"),
            *("--http", f"127.0.0.1:{ports[n]}", "--forward", f"http://127.0.0.1:{ports[1 - n]}"),
        )
        for n in range(2)
    )

    assert one.send(request(chat(1))) == 200
    wait(lambda: forwarding_metrics(one)["looped_requests_total"] == 1)

    assert forwarding_metrics(one)["requests_total"] == 1
    assert forwarding_metrics(other)["requests_total"] == 1
    # Both price it by the same list; the cost added by the first is not a cost that was reported.
    assert stored(ledgers[0]) == stored(ledgers[1]) == [(3_500_000, None)]
