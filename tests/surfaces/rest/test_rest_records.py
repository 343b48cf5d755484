from __future__ import annotations

from collections.abc import Callable

from starlette.testclient import TestClient

from spantoll.records import UsageRecord
from spantoll.storage import KeyRing, Store, make_key
from spantoll.surfaces.rest import Access, RestContext, make_application
from tests.surfaces.rest.conftest import API, NOW_NS, Stored

Make = Callable[..., UsageRecord]


def test_pages_follow_each_other_by_link_without_gap(
    client: TestClient, stored: Stored, record: Make
) -> None:
    stored([record() for _ in range(5)])

    found, address = [], f"{API}/records?limit=2&model=gpt-4o"
    while address:
        response = client.get(address)
        found.append([each["id"] for each in response.json()["records"]])
        address = response.links.get("next", {}).get("url", "")

    assert found == [[5, 4], [3, 2], [1]]


def test_a_page_says_what_it_has_to_be_read_with(
    client: TestClient, stored: Stored, record: Make
) -> None:
    stored([record(), record(pricing_status="unpriced")])

    page = client.get(f"{API}/records?from=2026-11-20&to=2026-11-21&tz=Europe/Berlin").json()

    assert (page["from"], page["to"]) == ("2026-11-20T00:00:00+01:00", "2026-11-21T00:00:00+01:00")
    assert (page["tz"], page["currency"], page["has_more"]) == ("Europe/Berlin", "USD", False)
    assert (page["coverage"]["cost_usd"], page["coverage"]["unpriced_requests"]) == (
        "2.500000000",
        1,
    )
    assert [each["cost_usd"] for each in page["records"]] == [None, "2.500000000"]
    assert page["records"][0]["trace_url"].startswith("http://jaeger:16686/trace/")


def test_a_record_is_explained_with_what_its_customer_is_charged(
    client: TestClient, context: RestContext, store: Store, stored: Stored, record: Make
) -> None:
    markup = {"customer": "acme", "provider": "openai", "markup_percent": "20"}
    client.post(f"{API}/customers/prices", json={"prices": [markup]})
    stored([record(provider="openai", customer_id="acme", revenue_nano=3_000_000_000)])
    secret = make_key(store, "acme", scopes=["read"], customer_id="acme", now_ns=NOW_NS)

    (line,) = client.get(f"{API}/records/1").json()["revenue_lines"]
    keys = KeyRing()
    keys.load(store.engine)
    limited = TestClient(make_application(context, Access(keys)), base_url=str(client.base_url))
    bearer = {"Authorization": f"Bearer {secret}"}
    (own,) = limited.get(f"{API}/records/1", headers=bearer).json()["revenue_lines"]

    assert line["revenue_usd"] == own["revenue_usd"] == "3.000000000"
    assert "20" in line["customer_price"]
    assert "customer_price" not in own


def test_a_record_is_explained(client: TestClient, stored: Stored, record: Make) -> None:
    stored([record()])

    answer = client.get(f"{API}/records/1").json()

    assert (answer["record"]["id"], answer["record"]["cost_usd"]) == (1, "2.500000000")
    assert (answer["repeats"], answer["repeated_by"], answer["currency"]) == (None, [], "USD")


def test_a_record_that_is_not_there_is_not_found(client: TestClient) -> None:
    response = client.get(f"{API}/records/7")

    assert (response.status_code, response.json()["detail"]) == (404, "there is no record 7")


def test_a_cursor_that_no_page_gave_is_refused(client: TestClient) -> None:
    response = client.get(f"{API}/records?after=page-2")

    assert response.status_code == 422
    assert response.json()["errors"][0]["parameter"] == "after"
