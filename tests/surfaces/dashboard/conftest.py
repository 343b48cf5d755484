from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest
from starlette.testclient import TestClient

from spantoll.pipeline import GroupCommit, make_settle
from spantoll.pricing import load_rate_card
from spantoll.query import TraceUrl
from spantoll.records import UsageRecord
from spantoll.storage import Store, open_store
from spantoll.surfaces.dashboard import add_dashboard
from spantoll.surfaces.rest import RestContext, make_application
from tests.surfaces.conftest import DemoServer

DAY_NS = 86_400 * 10**9
NOW_NS = 1_795_262_400_000_000_000
"""2026-11-21T12:00:00Z, a day after the records of `make_record`."""
Get = Callable[[str], str]
COSTS = {"gpt-4o": Decimal("7.50"), "o3<b>": Decimal("2.50")}
"""USD of the calls of `filled`, by model."""


def find_token(page: str) -> str:
    """Return the token that the forms of a page are sent with."""
    found = re.search(r'name="csrf" value="(\w+)"', page)
    assert found
    return found[1]


def sign_in(client: TestClient, secret: str, **form: str) -> int:
    """Begin a session with a key; return the status of the answer."""
    token = find_token(client.get("/login").text)
    given = {"csrf": token, "key": secret, **form}
    return int(client.post("/login", data=given, follow_redirects=False).status_code)


@pytest.fixture
def store(empty_database: str) -> Iterator[Store]:
    opened = open_store(empty_database)
    yield opened
    opened.close()


@pytest.fixture
def context(store: Store) -> Iterator[RestContext]:
    card = load_rate_card()
    commit = GroupCommit(store, settle=make_settle(card))
    links = TraceUrl("jaeger=http://jaeger.invalid:16686")
    yield RestContext(
        store.engine, card, links=links, commit=commit, store=store, now_ns=lambda: NOW_NS
    )
    commit.close()


@pytest.fixture
def client(context: RestContext) -> TestClient:
    application = make_application(context, pages=add_dashboard)
    return TestClient(application, base_url="http://127.0.0.1:4318")


@pytest.fixture
def filled(store: Store, record: Callable[..., UsageRecord]) -> None:
    """Three calls of one model, one of another, one unpriced; two days and two customers."""
    store.write(
        [
            *(record(customer_id="acme", user_id="ann", input_tokens=1_000) for _ in range(2)),
            record(customer_id="globex", started_ns=NOW_NS - 2 * DAY_NS, input_tokens=500),
            record(customer_id="acme", model="o3<b>", status="error", error_type="timeout"),
            record(
                model="new-model",
                request_model="new-model",
                pricing_status="unpriced",
                pricing_reason="unknown_model",
            ),
        ]
    )


@pytest.fixture
def get(demo_server: DemoServer) -> Get:
    """Return the body of an address of the demo."""

    def fetch(path: str) -> str:
        try:
            with urllib.request.urlopen(demo_server.url + path, timeout=60) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return str(error.read().decode())

    return fetch
