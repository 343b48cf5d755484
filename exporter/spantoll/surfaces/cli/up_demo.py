"""`spantoll up --demo`: the receiver and the dashboard over 30 days of made-up calls.

Input: where to listen. Output: a ledger in a temporary directory, filled over its own OTLP endpoint
and removed at the end. No setting names this ledger and by default the port is a free one, so that
calls of the demo and calls of real applications never meet in a ledger.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

from spantoll.errors import ConfigurationError
from spantoll.settings import Settings, load_settings
from spantoll.storage import open_store
from spantoll.surfaces.cli.ledger import now_ns
from spantoll.surfaces.cli.up import run_receiver
from spantoll.surfaces.demo import DAYS, add_prices, send_calls

__all__ = ["run_demo"]

ANY_PORT = "127.0.0.1:0"
OF_USER = ("tz", "fiscal_start", "trace_url")
"""Settings that a demo takes over: nothing is written, read or sent by them."""


def run_demo(http: str | None, *, dashboard: bool, refused: Mapping[str, object]) -> int:
    """Run a receiver over the demo's calls until it is stopped; return its exit status.

    Raises ConfigurationError for one of the flags `refused` that is given.
    """
    if given := [flag for flag, value in refused.items() if value]:
        raise ConfigurationError(f"--demo has a ledger of its own: leave out {', '.join(given)}")
    with TemporaryDirectory(prefix="spantoll-demo-") as folder:
        settings = read_settings(Path(folder), http)
        store = open_store(settings.database)
        try:
            add_prices(store, now_ns=now_ns())
        finally:
            store.close()
        return run_receiver(settings, dashboard=dashboard, demo=True, listening=start_filling)


def read_settings(folder: Path, http: str | None) -> Settings:
    """Return the settings of a demo: the defaults, but for its ledger and what only shows answers.

    Raises ConfigurationError for an address that is none.
    """
    settings = load_settings(http=http or ANY_PORT)
    if settings.http is None:
        raise ConfigurationError("--demo is filled over OTLP/HTTP: give --http an address")
    defaults = {
        name: field.get_default(call_default_factory=True)
        for name, field in Settings.model_fields.items()
        if name not in OF_USER
    }
    own = {"database": f"sqlite:///{folder / 'demo.db'}", "grpc": None, "http": settings.http}
    return settings.model_copy(update={**defaults, **own})


def start_filling(url: str) -> None:
    """Send the calls of the demo from a thread, and print a line when they are stored."""
    Thread(target=_fill, args=(url,), name="demo", daemon=True).start()


def _fill(url: str) -> None:
    try:
        calls = send_calls(url, now_ns=now_ns())
    except ConnectionError as error:
        print(f"The demo is incomplete: {error}", file=sys.stderr)
        return
    print(f"Demo       {calls:,} calls of {DAYS} days; removed at the end (Ctrl-C)", flush=True)
