from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from spantoll.records import UsageRecord
from spantoll.settings import Settings
from spantoll.storage import open_store
from spantoll.surfaces.cli import main

NOON_NS = 1_795_176_000 * 10**9
"""2026-11-20T12:00:00Z"""


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
    """Make counted, priced records, each of a span of its own; give what matters by name."""
    spans = count(1)
    blank = dict.fromkeys(UsageRecord._fields)
    usual: dict[str, Any] = {
        "tenant_id": "default",
        "source": "otlp_trace",
        "started_ns": NOON_NS,
        "received_ns": NOON_NS,
        "role": "inference",
        "counted": True,
        "counted_reason": "counted",
        "operation": "chat",
        "provider": "openai",
        "model": "gpt-4o",
        "batch": False,
        "status": "success",
        "requests": 1,
        "usage_quality": "exact",
        "dialect": "otel",
        "pricing_status": "priced",
        "cost_nano": 2_500_000_000,
    }

    def make(**given: Any) -> UsageRecord:
        number = next(spans)
        identity = {"trace_id": number.to_bytes(16), "span_id": number.to_bytes(8)}
        made: dict[str, Any] = {**blank, **usual, **identity, **given}
        if made["pricing_status"] == "unpriced":
            made["cost_nano"] = None
        return UsageRecord(**made)

    return make


@pytest.fixture
def stored(database: str) -> Callable[[Sequence[UsageRecord]], None]:
    """Write records to the test's ledger."""

    def write(records: Sequence[UsageRecord]) -> None:
        store = open_store(database)
        store.write(records)
        store.close()

    return write
