from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from spantoll.records import UsageRecord
from spantoll.storage import open_store

Write = Callable[..., Engine]

NOON_NS = 1_795_176_000 * 10**9
"""2026-11-20T12:00:00Z"""


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
        "provider": "openai",
        "model": "gpt-4o",
        "batch": False,
        "status": "success",
        "requests": 1,
        "usage_quality": "exact",
        "dialect": "otel",
        "pricing_status": "priced",
        "cost_nano": 1_000_000,
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
def ledger(tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    """Write records to a real database and give what queries run on."""
    store = open_store(f"sqlite:///{tmp_path}/usage.db")

    def write(*records: UsageRecord) -> Engine:
        store.write(list(records))
        return store.engine

    yield write
    store.close()
