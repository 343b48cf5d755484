from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from spantoll.records import UsageRecord
from spantoll.storage import open_store


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    """Write records to a real database and give what queries run on."""
    store = open_store(f"sqlite:///{tmp_path}/usage.db")

    def write(*records: UsageRecord) -> Engine:
        store.write(list(records))
        return store.engine

    yield write
    store.close()


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    """Write the text of a bill to a file."""

    def write(text: str, name: str = "bill.csv") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write
