from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from spantoll.records import UsageRecord
from spantoll.settings import Settings
from spantoll.storage import open_store
from spantoll.surfaces.cli import main
from tests.support.records import make_record


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
def stored(database: str) -> Callable[[Sequence[UsageRecord]], None]:
    """Write records to the test's ledger."""

    def write(records: Sequence[UsageRecord]) -> None:
        store = open_store(database)
        store.write(records)
        store.close()

    return write
