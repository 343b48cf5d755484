"""Changes over HTTP: what customers pay, re-pricing, and the audit of both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from spantoll.records import UsageRecord
from spantoll.storage import KeyRing, Store, make_key, revoke_key
from spantoll.surfaces.rest import Access, RestContext, make_application
from tests.surfaces.rest.conftest import API, NOW_NS, Stored

Make = Callable[..., UsageRecord]
MARKUP = {"customer": "acme", "provider": "openai", "markup_percent": "30"}
IN_FILE = 'provider = "openai"\nmarkup_percent = 25'


def make_client(context: RestContext, store: Store, *scopes: str, **limit: str) -> TestClient:
    """Return a client that has a key called robot."""
    secret = make_key(store, "robot", scopes=scopes, by="ann", now_ns=NOW_NS, **limit)
    keys = KeyRing()
    keys.load(store.engine)
    client = TestClient(make_application(context, Access(keys)), base_url="http://127.0.0.1:4318")
    client.headers["Authorization"] = f"Bearer {secret}"
    return client


def test_customers_are_listed_with_what_they_cost_and_paid(
    client: TestClient, stored: Stored, record: Make
) -> None:
    stored([record(customer_id="a"), record(customer_id="b"), record(customer_id="b")])

    rows = client.get(f"{API}/customers?last=7d").json()["rows"]

    assert [(row["customer_id"], row["cost_usd"]) for row in rows] == [
        ("b", "5.000000000"),
        ("a", "2.500000000"),
    ]


def test_what_a_customer_pays_is_added_listed_and_ended(client: TestClient) -> None:
    added = client.post(f"{API}/customers/prices", json={"prices": [MARKUP]}).json()
    again = client.post(f"{API}/customers/prices", json={"prices": [MARKUP]}).json()
    (row,) = client.get(f"{API}/customers/prices").json()["prices"]
    end = client.post(f"{API}/customers/prices/{row['id']}/end", json={"at": "2026-12-01"})

    assert (len(added["changed"]), again["unchanged"]) == (1, 1)
    assert (row["customer"], row["markup_percent"]) == ("acme", "30")
    assert end.json()["changed"][0]["valid_to"] == "2026-12-01"


@pytest.mark.parametrize(
    ("address", "body", "pointer"),
    [
        (f"{API}/reprice", {"dry_run": 0}, "/dry_run"),
        (f"{API}/prices", {"prices": [{}], "replace": "yes"}, "/replace"),
        (f"{API}/usage/query", {"limit": True}, "/limit"),
        (f"{API}/usage/query", {"fill": 1}, "/fill"),
        ("/llm/estimate-cost", {"modelId": "gpt-4o", "inputTokens": True}, "/inputTokens"),
    ],
)
def test_a_value_of_another_json_type_is_refused(
    client: TestClient, address: str, body: dict[str, object], pointer: str
) -> None:
    answer = client.post(address, json=body)

    assert answer.status_code == 422
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("prices", {"prices": [MARKUP, {"customer": "b"}]}, "/prices/1"),
        ("prices", {"prices": [MARKUP | {"markup_percent": "0.3"}]}, "/prices/0"),
        ("prices", {"prices": [MARKUP, MARKUP | {"markup_percent": "40"}]}, "/prices"),
        ("prices/9/end", {"at": "2026-12-01"}, "/at"),
        ("prices/9/end", {"at": "soon"}, "/at"),
    ],
    ids=["no amount", "ambiguous", "overlapping", "no such row", "no time"],
)
def test_a_wrong_customer_price_changes_nothing(
    client: TestClient, path: str, body: dict[str, Any], pointer: str
) -> None:
    response = client.post(f"{API}/customers/{path}", json=body)

    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == pointer
    assert client.get(f"{API}/customers/prices").json()["prices"] == []


def test_what_the_configuration_file_says_is_listed_and_not_overlapped(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "spantoll.toml"
    file.write_text(f'[[customers]]\ncustomer = "acme"\n{IN_FILE}\n', encoding="utf-8")
    monkeypatch.setenv("SPANTOLL_CONFIG", str(file))

    (row,) = client.get(f"{API}/customers/prices").json()["prices"]
    refused = client.post(f"{API}/customers/prices", json={"prices": [MARKUP]})

    assert (row["customer"], row["markup_percent"]) == ("acme", "25")
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/prices")


@pytest.fixture
def unpriced(client: TestClient, stored: Stored, record: Make) -> None:
    """An unpriced call of a model that has a price of the user's now."""
    call = {"provider": "openai", "model": "lab-1", "request_model": "lab-1"}
    stored(
        [
            record(
                **call,
                input_tokens=1_000_000,
                output_tokens=0,
                pricing_status="unpriced",
                pricing_reason="unknown_model",
            )
        ]
    )
    rows = [
        {"provider": "openai", "model": "lab-1", "metric": name, "amount": "2", "per": "1M"}
        for name in ("input", "output")
    ]
    assert client.post(f"{API}/prices", json={"prices": rows}).status_code == 200


def read_cost(client: TestClient) -> str | None:
    cost: str | None = client.get(f"{API}/usage/query").json()["totals"]["cost_usd"]
    return cost


def test_repricing_shows_changes_before_it_makes_them_and_undoes_them(
    client: TestClient, unpriced: None
) -> None:
    shown = client.post(f"{API}/reprice", json={"model": "lab-1"}).json()
    before = read_cost(client)
    run = client.post(f"{API}/reprice", json={"model": "lab-1", "dry_run": False}).json()["run"]
    after = read_cost(client)
    undone = client.post(f"{API}/reprice/{run['run']}/undo").json()["run"]

    assert (shown["dry_run"], shown["preview"]["total"]["newly_priced"]) == (True, 1)
    assert shown["preview"]["total"]["new_cost_usd"] == run["new_cost_usd"] == "2.000000000"
    assert (before, after, read_cost(client)) == (None, "2.000000000", None)
    assert (run["state"], undone["state"]) == ("finished", "undone")
    assert [each["run"] for each in client.get(f"{API}/reprice").json()["runs"]] == [run["run"]]


@pytest.mark.parametrize("path", ["7/undo", "7/resume"])
def test_a_run_that_is_not_there_is_a_conflict(client: TestClient, path: str) -> None:
    response = client.post(f"{API}/reprice/{path}")

    assert (response.status_code, "7" in response.json()["detail"]) == (409, True)


@pytest.mark.usefixtures("unpriced")
def test_a_run_that_is_not_waited_for_has_an_address(client: TestClient) -> None:
    answer = client.post(
        f"{API}/reprice", json={"dry_run": False}, headers={"Prefer": "respond-async, wait=1"}
    )
    run = client.get(answer.headers["location"])

    assert (answer.status_code, answer.json()["run"]["state"]) == (202, "running")
    assert answer.headers["preference-applied"] == "respond-async"
    assert (run.json()["run"]["state"], run.json()["run"]["changed"]) == ("finished", 1)
    assert client.get(f"{API}/reprice/7").status_code == 404


def test_the_audit_names_the_key_of_every_change(
    context: RestContext, store: Store, stored: Stored, record: Make
) -> None:
    stored([record()])
    client = make_client(context, store, "admin")
    price = {"provider": "openai", "model": "x", "metric": "input", "amount": "1", "per": "1M"}

    client.post(f"{API}/prices", json={"prices": [price]})
    client.post(f"{API}/customers/prices", json={"prices": [MARKUP]})
    client.post(f"{API}/customers/prices/1/end", json={"at": "2026-12-01"})
    client.post(f"{API}/reprice", json={"dry_run": False})
    client.post(f"{API}/reprice/1/undo")
    revoke_key(store, 99, now_ns=NOW_NS)
    events = client.get(f"{API}/audit").json()["events"]

    assert sorted((each["action"], each["by"]) for each in events) == [
        ("customers", "robot"),
        ("customers", "robot"),
        ("key.make", "ann"),
        ("prices", "robot"),
        ("reprice", "robot"),
        ("undo", "robot"),
    ]
    assert "own_price: added [1], ended []" in [each["why"] for each in events]


def test_without_a_key_the_audit_names_the_address(client: TestClient) -> None:
    client.post(f"{API}/customers/prices", json={"prices": [MARKUP]})

    (event,) = client.get(f"{API}/audit").json()["events"]

    assert event["by"].endswith(", without a key")
    assert client.get(f"{API}/audit?to=2026-01-01").json()["events"] == []


def test_a_change_that_is_refused_is_in_no_audit(client: TestClient) -> None:
    client.post(f"{API}/customers/prices", json={"prices": [MARKUP, {"customer": "b"}]})

    assert client.get(f"{API}/audit").json()["events"] == []


RULE = {"kind": "team", "owner": "search", "where": "service_name^=search-"}


def test_rules_of_owners_are_added_listed_ended_and_audited(client: TestClient) -> None:
    added = client.post(f"{API}/owners", json={"owners": [RULE]}).json()
    again = client.post(f"{API}/owners", json={"owners": [RULE]}).json()
    (row,) = client.get(f"{API}/owners").json()["owners"]
    ended = client.post(f"{API}/owners/{row['id']}/end", json={"at": "2026-12-01"})

    assert (len(added["changed"]), again["unchanged"]) == (1, 1)
    assert (row["kind"], row["owner"]) == ("team", "search")
    assert ended.json()["changed"][0]["valid_to"].startswith("2026-12-01")
    assert [each["action"] for each in client.get(f"{API}/audit").json()["events"]] == (
        ["owners", "owners"]
    )


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("", {"owners": [{"kind": "planet", "owner": "x", "where": "model=a"}]}),
        ("/9/end", {"at": "now"}),
    ],
    ids=["unknown kind", "no such rule"],
)
def test_a_wrong_rule_of_an_owner_changes_nothing(
    client: TestClient, path: str, body: dict[str, Any]
) -> None:
    response = client.post(f"{API}/owners{path}", json=body)

    assert response.status_code == 422, response.text
    assert client.get(f"{API}/audit").json()["events"] == []


CHANGES = [
    ("/owners", {"owners": [RULE]}),
    ("/customers/prices", {"prices": [MARKUP]}),
    ("/customers/prices/1/end", {"at": "2026-12-01"}),
    ("/reprice", {"dry_run": True}),
    ("/reprice/1/undo", None),
    ("/reprice/1/resume", None),
]


@pytest.mark.parametrize(("path", "body"), CHANGES, ids=[path for path, _ in CHANGES])
def test_changes_take_the_scope_write(
    context: RestContext, store: Store, path: str, body: Any
) -> None:
    reader = make_client(context, store, "read", "ingest")

    assert reader.post(f"{API}{path}", json=body).status_code == 403


def test_the_audit_takes_the_scope_admin(context: RestContext, store: Store) -> None:
    writer = make_client(context, store, "read", "write")

    assert writer.get(f"{API}/audit").status_code == 403
