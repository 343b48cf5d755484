"""The whole way on one machine: a real application, instrumented, received, priced and asked.

Starts a receiver on an embedded SQLite file and a provider on loopback, runs `support_desk.py`
twice (exporting over gRPC, then over HTTP), shows what it cost, and ends with a dashboard of these
calls. No key, no network.

    make demo
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from loopback_provider import LoopbackProvider

HERE = Path(__file__).parent
LEDGER = Path(".demo")
SPANTOLL = str(Path(sys.executable).with_name("spantoll"))


class Receiver(NamedTuple):
    grpc: str
    http: str


@contextmanager
def receiver(database: str) -> Iterator[Receiver]:
    """Run `spantoll up` on free ports."""
    command = [SPANTOLL, "up", "--database", database]
    command += ["--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    print(f"$ spantoll up --database {database}")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        said = ""
        assert process.stdout is not None
        for line in process.stdout:
            print(f"  {line}", end="")
            said += line
            if line.startswith("See"):
                break
        try:
            urls = re.findall(r"^OTLP/(?:gRPC|HTTP)\s+(\S+)", said, re.MULTILINE)
            yield Receiver(*urls)
        finally:
            process.terminate()
            process.wait(timeout=30)


def run_support_desk(provider: LoopbackProvider, endpoint: str, protocol: str) -> None:
    """Run the application with its code unchanged, and nothing but OpenTelemetry's own settings."""
    print(f"\n$ spantoll run -- python examples/support_desk.py      # over {protocol}")
    environment = {
        **os.environ,
        **provider.environment,
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_SERVICE_NAME": "support-desk",
    }
    program = [sys.executable, str(HERE / "support_desk.py")]
    subprocess.run([SPANTOLL, "run", "--", *program], env=environment, check=True)


def ask(database: str, *arguments: str) -> None:
    shown = " ".join(arguments)
    print(f"\n$ spantoll {shown}", flush=True)
    subprocess.run([SPANTOLL, *arguments, "--database", database], check=True)


def show_dashboard(database: str) -> None:
    """Serve the dashboard of a ledger until Ctrl-C; without a terminal, print how to."""
    if not sys.stdout.isatty():
        print(f"\nThese calls in a dashboard:\n\n  spantoll up --database {database}", flush=True)
        return
    command = [SPANTOLL, "up", "--database", database, "--grpc", "off", "--http", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[1]
        print(f"\nThese calls in a dashboard, until Ctrl-C:  {address}", flush=True)
        # Ctrl-C reaches both processes: the receiver ends by itself and is waited for.
        with suppress(KeyboardInterrupt):
            process.wait()


def main() -> None:
    started = time.monotonic()
    shutil.rmtree(LEDGER, ignore_errors=True)
    LEDGER.mkdir()
    database = f"sqlite:///{LEDGER}/usage.db"
    with LoopbackProvider() as provider, receiver(database) as sending:
        run_support_desk(provider, sending.grpc, "grpc")
        run_support_desk(provider, sending.http, "http/protobuf")
    ask(database, "usage", "--by", "model")
    ask(database, "usage", "--by", "customer_id", "--by", "model")
    ask(database, "records", "--limit", "4")
    print(f"\nThat took {time.monotonic() - started:.0f} s. Your own traffic:\n")
    print("  spantoll up                                  # receives OTLP on 4317 and 4318")
    print("  spantoll run -- python app.py                # instruments and sends there")
    print("  OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318  for what is instrumented already")
    show_dashboard(database)


if __name__ == "__main__":
    main()
