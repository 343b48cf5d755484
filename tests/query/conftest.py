from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from spantoll.records import UsageRecord
from spantoll.storage import open_store
from tests.support.records import make_record

Write = Callable[..., Engine]


@pytest.fixture(scope="session")
def record() -> Callable[..., UsageRecord]:
    return make_record


@pytest.fixture
def ledger(tmp_path: Path, empty_ledger: Path) -> Iterator[Callable[..., Engine]]:
    """Write records to a real database and give what queries run on."""
    path = shutil.copy(empty_ledger, tmp_path / "usage.db")
    store = open_store(f"sqlite:///{path}")

    def write(*records: UsageRecord) -> Engine:
        store.write(list(records))
        return store.engine

    yield write
    store.close()
