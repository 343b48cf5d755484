"""Real senders, Collectors and backends, as processes on free ports of 127.0.0.1.

A fixture returns a running `Peer`, kills it after the test and prints its log, which pytest shows
if the test failed. `make peers` installs the programs.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import grpc
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.receiver.conftest import EXPORT, Export, chat, request
from tests.support.ports import accepts_connections, free_address

EXAMPLES = Path(__file__).parents[2] / "examples"
PATIENCE_S = 180.0
"""The longest that a test waits for a condition: far above what anything here takes."""
LOG_CHARACTERS = 20_000

Missing = Callable[[str, str], NoReturn]


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {PATIENCE_S:.0f} s still waiting for {what}")
        time.sleep(0.02)


ROTEL_ENVIRONMENT = {"LD_LIBRARY_PATH": sysconfig.get_config_var("LIBDIR")}
"""rotel needs the shared library of the Python that runs the tests."""


class Peer:
    """A process that can be killed and started again, on the same ports and with one log."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        listens: Sequence[str],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.log = log
        self._command = list(command)
        self._listens = list(listens)
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdout=log, stderr=subprocess.STDOUT
            )
        wait_until(self._is_up, f"{self._command[0]} to listen")

    def _is_up(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"{self._command[0]} ended: {self.read_log()}")
        return all(map(accepts_connections, self._listens))

    @property
    def pid(self) -> int:
        """The id of the process that runs."""
        assert self._process is not None
        return self._process.pid

    def end(self, how: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal, wait for the end and return the exit status."""
        assert self._process is not None
        self._process.send_signal(how)
        return self._process.wait(PATIENCE_S)

    def read_log(self) -> str:
        """Return the last LOG_CHARACTERS characters of what it printed, over all starts."""
        return self.log.read_text(errors="replace")[-LOG_CHARACTERS:]


class Collector(Peer):
    """A real Collector; `url` takes OTLP over HTTP, `grpc` over gRPC."""

    grpc: str
    http: str

    def send(self, *spans: Span) -> None:
        """Send one request, and again until it is acknowledged, as an SDK does."""
        body = request(*spans).SerializeToString()
        with grpc.insecure_channel(self.grpc) as channel:
            export: Export = channel.unary_unary(EXPORT)
            export(body, timeout=PATIENCE_S, wait_for_ready=True)


class Jaeger(Peer):
    """A real Jaeger with storage in memory, read over the HTTP API of its user interface."""

    grpc: str
    http: str
    query: str

    def services(self) -> set[str]:
        return set(self._get("/api/services")["data"] or ())

    def trace(self, trace_id: bytes) -> dict[str, Any] | None:
        """Return one trace as OTLP/JSON with hexadecimal ids, or None if Jaeger has none."""
        try:
            found = self._get(f"/api/v3/traces/{trace_id.hex()}")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise
        result: dict[str, Any] = found["result"]
        return result

    def spans(self, trace_id: bytes) -> dict[str, dict[str, Any]]:
        """Return the spans of one trace by span id, each with its scope and resource."""
        return {
            span["spanId"]: span | {"scope": scope["scope"], "resource": resource["resource"]}
            for resource in (self.trace(trace_id) or {}).get("resourceSpans", ())
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        }

    def has(self, trace_id: bytes) -> bool:
        return self.trace(trace_id) is not None

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://{self.query}{path}", timeout=10) as answer:
            return json.load(answer)


class SpanToll(Peer):
    """`spantoll up` on an SQLite file; the ledger is read from the file directly."""

    grpc: str
    http: str
    path: Path

    def select(self, what: str, where: str = "1") -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(self.path, timeout=PATIENCE_S)) as connection:
            return connection.execute(
                f"SELECT {what} FROM usage_record WHERE {where} ORDER BY span_id"
            ).fetchall()

    def count(self) -> int:
        return int(self.select("count(*)")[0][0])

    def span_ids(self) -> list[bytes]:
        return [span_id for (span_id,) in self.select("span_id")]

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the write lock, as a backup or a transaction left open does."""
        with contextlib.closing(
            sqlite3.connect(self.path, timeout=PATIENCE_S, isolation_level=None)
        ) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")


def calls(numbers: range) -> list[Span]:
    """Return spans of model calls, eight to a trace; trace ids are random, as samplers expect."""
    spans = []
    for number in numbers:
        span = chat(number)
        span.trace_id = random.Random(f"trace {number // 8}").randbytes(16)
        spans.append(span)
    return spans


@pytest.fixture(scope="session")
def peers() -> Path:
    """Return the folder that `make peers` builds into."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(os.environ.get("PEERS") or Path(cache) / "spantoll" / "peers")


@pytest.fixture(scope="session")
def otelcol(peers: Path, missing: Missing) -> Path:
    program = peers / "otelcol" / "otelcol"
    if not program.exists():
        missing("the OpenTelemetry Collector", "make peers")
    return program


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Callable[[Peer], None]]:
    """Start a peer; it is killed after the test."""
    started: list[Peer] = []

    def start(peer: Peer) -> None:
        started.append(peer)
        peer.start()

    yield start
    for peer in reversed(started):
        peer.end()
        print(f"---- {peer.log.name}\n{peer.read_log()}")


@pytest.fixture
def jaeger(
    running: Callable[[Peer], None], peers: Path, tmp_path: Path, missing: Missing
) -> Jaeger:
    program = peers / "jaeger"
    if not program.exists():
        missing("Jaeger", "make peers")
    otlp_grpc, otlp_http, query = (free_address() for _ in range(3))
    flags = {
        "collector.otlp.grpc.host-port": otlp_grpc,
        "collector.otlp.http.host-port": otlp_http,
        "collector.grpc-server.host-port": free_address(),
        "collector.http-server.host-port": free_address(),
        "http-server.host-port": free_address(),
        "query.http-server.host-port": query,
        "query.grpc-server.host-port": free_address(),
        "admin.http.host-port": free_address(),
        "processor.jaeger-binary.server-host-port": free_address(),
        "processor.jaeger-compact.server-host-port": free_address(),
        "processor.zipkin-compact.server-host-port": free_address(),
    }
    command = [str(program), "--log-level=warn"]
    command += [f"--{name}={address}" for name, address in flags.items()]
    peer = Jaeger(command, log=tmp_path / "jaeger.log", listens=[otlp_grpc, otlp_http, query])
    peer.grpc, peer.http, peer.query = otlp_grpc, otlp_http, query
    running(peer)
    return peer


@pytest.fixture
def spantoll(running: Callable[[Peer], None], tmp_path: Path) -> Callable[..., SpanToll]:
    """Start `spantoll up`; with `stopped` it does not run until the test starts it."""

    def make(*flags: str, stopped: bool = False) -> SpanToll:
        path = tmp_path / "usage.db"
        rpc, http = free_address(), free_address()
        command = [sys.executable, "-m", "spantoll", "up", "--database", f"sqlite:///{path}"]
        command += ["--grpc", rpc, "--http", http, *flags]
        peer = SpanToll(command, log=tmp_path / "spantoll.log", listens=[rpc, http])
        peer.grpc, peer.http, peer.path = rpc, http, path
        running(peer)
        if stopped:
            peer.end(signal.SIGTERM)
        return peer

    return make


@pytest.fixture
def collector(
    running: Callable[[Peer], None], otelcol: Path, tmp_path: Path
) -> Callable[..., Collector]:
    """Start the Collector with a file of `examples/collector`, and `settings` as `--set`."""

    def start(file: str, *settings: str, **environment: str) -> Collector:
        rpc, http = free_address(), free_address()
        command = [str(otelcol), "--config", str(EXAMPLES / "collector" / file)]
        peer = Collector(
            command + [f"--set={setting}" for setting in settings],
            log=tmp_path / "collector.log",
            listens=[rpc, http],
            environment={
                "COLLECTOR_GRPC": rpc,
                "COLLECTOR_HTTP": http,
                "COLLECTOR_QUEUE_DIR": str(tmp_path / "queue"),
                **environment,
            },
        )
        peer.grpc, peer.http = rpc, http
        running(peer)
        return peer

    return start


@pytest.fixture
def rotel(
    running: Callable[[Peer], None], tmp_path: Path, missing: Missing
) -> Callable[[str, str], Collector]:
    """Start rotel, a Collector in Rust, with an OTLP exporter over the given protocol."""

    def start(endpoint: str, protocol: str) -> Collector:
        program = rotel_program()
        if program is None:
            version = f"{sys.version_info.major}.{sys.version_info.minor}"
            missing(
                "rotel", f"pip install rotel, and on Debian: apt-get install libpython{version}"
            )
        rpc, http = free_address(), free_address()
        command = [str(program), "start", "--pid-file", str(tmp_path / "rotel.pid")]
        command += ["--otlp-grpc-endpoint", rpc, "--otlp-http-endpoint", http]
        command += ["--exporter", "otlp", "--otlp-exporter-endpoint", endpoint]
        command += ["--otlp-exporter-protocol", protocol]
        log = tmp_path / "rotel.log"
        peer = Collector(command, log=log, listens=[rpc, http], environment=ROTEL_ENVIRONMENT)
        peer.grpc, peer.http = rpc, http
        running(peer)
        return peer

    return start


@pytest.fixture
def javascript(peers: Path, missing: Missing) -> Callable[[str, str, int], None]:
    """Send N spans with an exporter of the JavaScript SDK: grpc, http (JSON) or proto."""

    def send(exporter: str, url: str, number: int) -> None:
        if shutil.which("node") is None:
            pytest.skip("there is no Node.js. To get it on Debian: apt-get install nodejs npm")
        modules = peers / "js" / "node_modules"
        if not modules.exists():
            missing("the JavaScript SDK", "make peers")
        subprocess.run(
            ["node", str(Path(__file__).with_name("send.js")), exporter, url, str(number)],
            env={**os.environ, "NODE_PATH": str(modules)},
            check=True,
            timeout=PATIENCE_S,
        )

    return send


def rotel_program() -> Path | None:
    """Return the program of the package `rotel`, or None if it or a shared library is missing."""
    found = importlib.util.find_spec("rotel")
    if found is None or found.origin is None:
        return None
    program = Path(found.origin).with_name("rotel-agent")
    environment = {**os.environ, **ROTEL_ENVIRONMENT}
    ran = subprocess.run([program, "version"], env=environment, check=False, capture_output=True)
    return program if ran.returncode == 0 else None
