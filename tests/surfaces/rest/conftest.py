from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest
from starlette.testclient import TestClient

from spantoll.pipeline import GroupCommit, make_settle
from spantoll.pricing import load_rate_card
from spantoll.query import TraceUrl
from spantoll.records import UsageRecord
from spantoll.storage import Store, open_store
from spantoll.surfaces.rest import RestContext, make_application

NOW_NS = 1_795_262_400_000_000_000
"""2026-11-21T12:00:00Z, a day after the records of `make_record`."""
API = "/api/v1"

Stored = Callable[[Sequence[UsageRecord]], None]


@pytest.fixture
def store(empty_database: str) -> Iterator[Store]:
    opened = open_store(empty_database)
    yield opened
    opened.close()


@pytest.fixture
def context(store: Store) -> Iterator[RestContext]:
    links = TraceUrl("jaeger=http://jaeger:16686")
    card = load_rate_card()
    commit = GroupCommit(store, settle=make_settle(card))
    yield RestContext(
        store.engine, card, links=links, commit=commit, store=store, now_ns=lambda: NOW_NS
    )
    commit.close()


@pytest.fixture
def client(context: RestContext) -> TestClient:
    return TestClient(make_application(context), base_url="http://127.0.0.1:4318")
