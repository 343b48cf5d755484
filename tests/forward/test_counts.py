from __future__ import annotations

import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from typing import Any

from tests.forward.test_receiver_forwards import chat, request

Start = Callable[..., Any]
Sinks = Callable[[str], Any]


def doctor(address: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "spantoll", "doctor"],
        env={"SPANTOLL_HTTP": address, "SPANTOLL_GRPC": "off"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return "\n".join(line for line in done.stdout.splitlines() if " forward " in line)


def test_metrics_and_doctor_report_what_was_forwarded(
    up: Start, sinks: Sinks, wait: Callable[[Callable[[], object]], None]
) -> None:
    sink = sinks("http")
    running = up("--forward", sink.url)
    running.send(request(chat(1)))

    def metrics() -> str:
        with urllib.request.urlopen(f"{running.http}/metrics", timeout=20) as response:
            return str(response.read().decode())

    wait(lambda: re.search(r"spantoll_forward_requests_total\{target=.*\} 1\.0", metrics()))

    assert re.search(r"spantoll_forward_dropped_requests_total\{target=.*\} 0\.0", metrics())
    shown = doctor(running.http.removeprefix("http://"))
    assert shown.startswith(f"ok       forward   {sink.url}")
    assert "1 requests sent, 0 dropped, 0 wait" in shown
