from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from spantoll.pipeline import make_settle
from spantoll.pipeline.user_pricing import load_user_card
from spantoll.receiver import Receiver
from spantoll.records import UsageRecord
from spantoll.settings import Settings
from spantoll.storage import Store, open_store
from spantoll.surfaces.cli import main
from spantoll.surfaces.dashboard import add_dashboard
from spantoll.surfaces.demo import add_prices, send_calls
from spantoll.surfaces.rest import RestContext, make_application
from tests.receiver.conftest import Running, local
from tests.support.records import make_record

DEMO_NOW_NS = 1_795_262_400_000_000_000
"""2026-11-21T12:00:00Z, a Saturday: when the demo of the tests ends."""


class Ran(NamedTuple):
    """What a command wrote and how it ended."""

    status: int
    out: str
    err: str


Cli = Callable[..., Ran]


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of whoever runs the tests; data and working directory are the test's own."""
    for name in (*(field.upper() for field in Settings.model_fields), "CONFIG"):
        monkeypatch.delenv(f"SPANTOLL_{name}", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/usage.db"


@pytest.fixture
def empty_database(database: str, empty_ledger: Path) -> str:
    """The test's ledger with its tables, where `database` is not made yet."""
    shutil.copy(empty_ledger, database.removeprefix("sqlite:///"))
    return database


@pytest.fixture
def spantoll(capfd: pytest.CaptureFixture[str], database: str) -> Cli:
    """Run a command on the test's ledger, in this process."""

    def run(*arguments: str) -> Ran:
        capfd.readouterr()
        status = main([*arguments, "--database", database])
        return Ran(status, *capfd.readouterr())

    return run


@pytest.fixture(scope="session")
def record() -> Callable[..., UsageRecord]:
    """Make records that cost $2.50 each, or what is given by name."""
    return partial(make_record, cost_nano=2_500_000_000)


@pytest.fixture
def stored(empty_database: str) -> Callable[[Sequence[UsageRecord]], None]:
    """Write records to the test's ledger."""

    def write(records: Sequence[UsageRecord]) -> None:
        store = open_store(empty_database)
        store.write(records)
        store.close()

    return write


class DemoServer(NamedTuple):
    """A receiver that has taken the calls of the demo over its OTLP endpoint; tests only read."""

    url: str
    store: Store
    sent: int


@pytest.fixture(scope="session")
def demo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoServer]:
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('demo')}/demo.db")
    add_prices(store, now_ns=DEMO_NOW_NS)
    card = load_user_card(store.engine)
    receiver = Receiver(store, card, local(), settle=make_settle(card))
    context = RestContext(
        store.engine,
        card,
        commit=receiver.commit,
        store=store,
        demo=True,
        now_ns=lambda: DEMO_NOW_NS,
    )
    receiver.mount(make_application(context, pages=add_dashboard))
    running = Running(receiver)
    url = f"http://127.0.0.1:{running.http_port}"
    yield DemoServer(url, store, send_calls(url, now_ns=DEMO_NOW_NS))
    running.stop()
    store.close()
