"""Statements of customers and closed periods over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from spantoll.records import UsageRecord
from spantoll.storage import KeyRing, Store, make_key
from spantoll.surfaces.cli import main
from spantoll.surfaces.rest import Access, RestContext, make_application
from tests.surfaces.rest.conftest import API, NOW_NS, Stored

Make = Callable[..., UsageRecord]
STATEMENT = f"{API}/customers/acme/statement"
MINIMUM = {"customer": "acme", "minimum": "50", "currency": "USD"}
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
def acme(client: TestClient, stored: Stored, record: Make) -> None:
    """One call of the customer acme in November 2026, charged $3, and a minimum charge of $50."""
    stored([record(customer_id="acme", provider="openai", revenue_nano=3_000_000_000)])
    client.post(f"{API}/customers/prices", json={"prices": [MINIMUM]})


def make_client(context: RestContext, store: Store, *scopes: str, **limit: str) -> TestClient:
    secret = make_key(store, "robot", scopes=scopes, now_ns=NOW_NS, **limit)
    keys = KeyRing()
    keys.load(store.engine)
    client = TestClient(make_application(context, Access(keys)), base_url="http://127.0.0.1:4318")
    client.headers["Authorization"] = f"Bearer {secret}"
    return client


def test_a_statement_has_the_lines_of_the_command_line(
    client: TestClient, acme: None, database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = client.get(f"{STATEMENT}?period=2026-11&cost=true").json()

    options = ("--period", "2026-11", "--cost", "-f", "json", "--database", database)
    assert main(["customers", "statement", "acme", *options]) == 0
    assert answer == json.loads(capfd.readouterr().out)
    assert [(line["kind"], line["revenue_usd"]) for line in answer["lines"]] == [
        ("usage", "3.000000000"),
        ("minimum", "47.000000000"),
    ]
    assert answer["total_usd"] == "50.000000000"


def test_a_statement_of_no_call_says_so(client: TestClient, acme: None) -> None:
    mistyped = client.get(f"{API}/customers/acne/statement?period=2026-11").json()
    known = client.get(f"{STATEMENT}?period=2026-11").json()

    assert mistyped["notes"] == ["No call of the period names the customer 'acne'."]
    assert not any(note.startswith("No call") for note in known["notes"])


def test_a_browser_gets_a_page_that_loads_nothing(client: TestClient, acme: None) -> None:
    answer = client.get(f"{STATEMENT}?period=2026-Q4", headers={"Accept": BROWSER})

    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "@media print" in answer.text
    assert '<dd class="total">$' in answer.text
    assert ("cost usd" in answer.text, "margin usd" in answer.text) == (False, False)


def test_the_name_of_a_customer_is_text_in_a_page(client: TestClient) -> None:
    answer = client.get(f"{API}/customers/<b>a%2Fb/statement?period=2026-11&format=html")

    assert answer.status_code == 200
    assert "&lt;b&gt;a/b" in answer.text
    assert "<b>" not in answer.text


def test_lines_of_a_statement_are_rows_of_a_file(client: TestClient, acme: None) -> None:
    answer = client.get(f"{STATEMENT}?period=2026-11", headers={"Accept": "text/csv"})

    head, usage, _ = answer.text.splitlines()
    assert head == "kind,item,requests,quantity,revenue_usd"
    assert usage.endswith(",1,,3.000000000")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "2026-10, 2026-Q4 or 2026"),
        ("period=2026-13", "2026-10, 2026-Q4 or 2026"),
        ("period=2026-11&from=2026-11-01", "from"),
        ("from=2026-11-01&to=2026-11-15", "is for a calendar month"),
        ("period=2026-11&currency=EUR", "no exchange rate of EUR"),
        ("period=2026-11&exchange=EUR", ""),
    ],
)
def test_a_statement_that_cannot_be_made_is_refused(
    client: TestClient, acme: None, given: str, said: str
) -> None:
    answer = client.get(f"{STATEMENT}?{given}")

    assert answer.status_code == 422, answer.text
    assert said in answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_limited_key_sees_its_own_statement_without_cost(
    context: RestContext, store: Store, acme: None
) -> None:
    own = make_client(context, store, "read", customer_id="acme")

    answers = [
        own.get(f"{API}/customers/{path}&period=2026-11")
        for path in ("acme/statement?", "acme/statement?cost=true", "globex/statement?")
    ]

    assert [answer.status_code for answer in answers] == [200, 403, 404]
    assert answers[0].json()["total_usd"] == "50.000000000"


def test_a_key_of_a_tenant_sees_the_statements_of_its_tenant(
    context: RestContext, store: Store, stored: Stored, record: Make
) -> None:
    owners = {"customer_id": "acme", "revenue_nano": 1_000_000_000}
    stored([record(tenant_id="north", **owners), record(**owners), record(**owners)])
    own = make_client(context, store, "read", tenant_id="north")

    mine = own.get(f"{STATEMENT}?period=2026-11")
    others = own.get(f"{STATEMENT}?period=2026-11&tenant=default")

    assert (mine.json()["requests"], others.status_code) == (1, 404)


def test_a_period_is_closed_listed_and_audited(
    client: TestClient, stored: Stored, record: Make
) -> None:
    october = record(started_ns=NOW_NS - 30 * 86_400 * 10**9)
    stored([october])

    answer = client.post(f"{API}/periods", json={"period": "2026-10", "tz": "Europe/Berlin"})
    again = client.post(f"{API}/periods", json={"period": "2026-Q4"})

    assert answer.status_code == 200, answer.text
    assert answer.json()["totals"]["requests"] == 1
    assert again.status_code == 409
    (listed,) = client.get(f"{API}/periods").json()["periods"]
    assert listed == answer.json()["closed"]
    assert listed["starts_at"] == "2026-10-01T00:00:00+02:00"
    (event,) = client.get(f"{API}/audit").json()["events"]
    assert (event["action"], event["why"]) == ("close", "2026-10")
    assert event["by"] == listed["closed_by"] == "testclient, without a key"


@pytest.mark.parametrize(("scopes", "status"), [(("read", "write"), 403), (("admin",), 200)])
def test_closing_a_period_takes_the_scope_admin(
    context: RestContext, store: Store, scopes: tuple[str, ...], status: int
) -> None:
    client = make_client(context, store, *scopes)

    assert client.post(f"{API}/periods", json={"period": "2026-09"}).status_code == status
