"""The command of `docs/collector.md` starts the Jaeger that `make peers` builds."""

from __future__ import annotations

import re
import shlex
import urllib.request
from collections.abc import Callable
from pathlib import Path

from tests.peers.conftest import Missing, Peer
from tests.support.ports import free_address

DOCUMENT = Path(__file__).parents[2] / "docs" / "collector.md"


def test_the_documented_command_starts_jaeger(
    running: Callable[[Peer], None], peers: Path, tmp_path: Path, missing: Missing
) -> None:
    if not (peers / "jaeger").exists():
        missing("Jaeger", "make peers")
    text = DOCUMENT.read_text().replace("\\\n", " ")
    [command] = re.findall(r"^    ~/\.cache/spantoll/peers/jaeger (.*)$", text, re.MULTILINE)
    addresses = {address: free_address() for address in re.findall(r"127\.0\.0\.1:\d+", command)}
    flags = [
        re.sub(r"127\.0\.0\.1:\d+", lambda found: addresses[found[0]], flag)
        for flag in shlex.split(command)
    ]
    query = addresses["127.0.0.1:16686"]

    # Ports that the command leaves as they are belong to whoever has them on this machine.
    flags += [f"--http-server.host-port={free_address()}"]
    flags += [
        f"--processor.{name}.server-host-port={free_address()}"
        for name in ("jaeger-binary", "jaeger-compact", "zipkin-compact")
    ]
    listens = [query, addresses["127.0.0.1:24317"], addresses["127.0.0.1:24318"]]
    running(Peer([str(peers / "jaeger"), *flags], log=tmp_path / "jaeger.log", listens=listens))

    with urllib.request.urlopen(f"http://{query}/api/services") as response:
        assert response.status == 200
