from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import select

from spantoll.records import UsageRecord, usage_record
from spantoll.storage import Correction, Store, Stored, open_store

NOON_NS = 1_795_176_000 * 10**9

BLANK: dict[str, Any] = dict.fromkeys(UsageRecord._fields)
USUAL: dict[str, Any] = {
    "tenant_id": "default",
    "source": "otlp_trace",
    "started_ns": NOON_NS,
    "received_ns": NOON_NS,
    "role": "inference",
    "counted": True,
    "counted_reason": "sole",
    "batch": False,
    "status": "success",
    "requests": 1,
    "usage_quality": "exact",
    "dialect": "opentelemetry",
    "pricing_status": "priced",
    "cost_nano": 1_000,
}

_spans = count(1)


class Backend(NamedTuple):
    """A database the conformance suite runs on; another one is another entry of BACKENDS."""

    name: str
    url: Callable[[Path], str]
    lasts: bool = True
    """What was written is there when the store is opened again, also from another process."""


BACKENDS = [
    Backend("sqlite", lambda directory: f"sqlite:///{directory}/ledger.db"),
    Backend("memory", lambda directory: "memory:", lasts=False),
]


def make_record(**given: Any) -> UsageRecord:
    """Make a counted record of a span, trace and response of its own; give what matters."""
    number = next(_spans)
    identity = {"trace_id": number.to_bytes(16), "span_id": number.to_bytes(8)}
    return UsageRecord(**{**BLANK, **USUAL, **identity, **given})


def of_response(response_id: str | None, **given: Any) -> UsageRecord:
    """Make a record whose response id connects it."""
    return with_key(make_record(response_id=response_id, **given))


def with_key(record: UsageRecord) -> UsageRecord:
    """Give the record the key of its tenant and response id."""
    named = f"{record.tenant_id} {record.response_id}".encode()
    return record._replace(response_key=zlib.crc32(named) if record.response_id else None)


def rows(store: Store) -> list[UsageRecord]:
    """Read every record, in the order of identity."""
    columns = [usage_record.c[name] for name in UsageRecord._fields]
    ordered = select(*columns).order_by(*columns[:3])
    with store.engine.connect() as connection:
        return [UsageRecord._make(row) for row in connection.execute(ordered)]


def settle_repeats(group: Sequence[Stored]) -> list[Correction]:
    """Count once what has one response id, and an aggregate only when it is alone."""
    corrections = []
    for member in group:
        right = member.facts
        same = [
            other.facts[:3]
            for other in group
            if right.response_id and other.facts.response_id == right.response_id
        ]
        if same and min(same) != right[:3]:
            first = min(same)
            right = right._replace(
                counted=False, counted_reason="repeats", repeats_span=first[1] + first[2]
            )
        elif right.role == "aggregate":
            right = right._replace(counted=len(group) == 1)
        if right != member.current:
            corrections.append(Correction(member.id, right))
    return corrections


@pytest.fixture(params=BACKENDS, ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    found: Backend = request.param
    return found


@pytest.fixture
def url(backend: Backend, tmp_path: Path) -> str:
    return backend.url(tmp_path)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_store(url)
    yield opened
    opened.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """The file of the SQLite tests, not made yet."""
    return tmp_path / "ledger.db"


@pytest.fixture
def sqlite_store(ledger: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{ledger}?timeout=0.2")
    yield opened
    opened.close()
