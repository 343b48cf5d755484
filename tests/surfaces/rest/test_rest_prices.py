from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from spantoll.storage import KeyRing, Store, make_key
from spantoll.surfaces.rest import Access, RestContext, make_application
from tests.surfaces.rest.conftest import API, NOW_NS

OWN = {"provider": "acme", "model": "acme-1", "metric": "input", "amount": "3.5", "per": "1M"}
CALL = {"provider": "acme", "model": "acme-1", "usage": {"input_tokens": 2_000_000}}


def test_a_price_is_tried_then_added_then_listed(client: TestClient) -> None:
    before = client.post(f"{API}/prices/test", json=CALL).json()
    tried = client.post(f"{API}/prices/test", json={**CALL, "prices": [OWN]}).json()
    added = client.post(f"{API}/prices", json={"prices": [OWN]}).json()
    after = client.post(f"{API}/prices/test", json=CALL).json()

    # 2,000,000 tokens at 3.50 USD per million
    assert before["billed"]["cost_usd"] is None
    assert (tried["billed"]["cost_usd"], after["billed"]["cost_usd"]) == ("7", "7")
    assert [row["amount"] for row in added["added"]] == ["3.5"]
    assert [row["model"] for row in client.get(f"{API}/prices").json()["prices"]] == ["acme-1"]


def test_an_amount_is_exact_as_number_and_as_text(client: TestClient) -> None:
    row = '{"provider": "acme", "model": "m", "metric": "input", "amount": 0.1, "per": "1M"}'
    body = f'{{"prices": [{row}]}}'

    added = client.post(
        f"{API}/prices", content=body, headers={"Content-Type": "application/json"}
    ).json()

    assert [row["amount"] for row in added["added"]] == ["0.1"]


def test_a_price_added_again_changes_nothing(client: TestClient) -> None:
    client.post(f"{API}/prices", json={"prices": [OWN]})

    again = client.post(f"{API}/prices", json={"prices": [OWN]}).json()

    assert (again["added"], again["unchanged"], again["ended"]) == ([], 1, [])


@pytest.mark.parametrize(
    ("rows", "pointer"),
    [
        ([OWN, {**OWN, "amount": "free"}], "/prices/1"),
        ([{**OWN, "metric": ""}], "/prices/0"),
        ([{**OWN, "prise": "1"}], "/prices/0"),
        ([OWN, {**OWN, "amount": "4"}], "/prices"),
    ],
)
def test_rows_that_cannot_be_used_are_pointed_to_and_none_is_added(
    client: TestClient, rows: list[dict[str, Any]], pointer: str
) -> None:
    response = client.post(f"{API}/prices", json={"prices": rows})

    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == pointer
    assert client.get(f"{API}/prices").json()["prices"] == []


def test_a_row_that_overlaps_ends_the_older_one_only_on_demand(client: TestClient) -> None:
    dearer = {**OWN, "amount": "4"}
    client.post(f"{API}/prices", json={"prices": [OWN]})

    refused = client.post(f"{API}/prices", json={"prices": [dearer]})
    done = client.post(f"{API}/prices", json={"prices": [dearer], "replace": True}).json()

    assert refused.status_code == 422
    assert [row["amount"] for row in done["ended"]] == ["3.5"]
    assert [row["amount"] for row in client.get(f"{API}/prices").json()["prices"]] == ["4"]


@pytest.mark.parametrize(
    ("scopes", "limit", "codes"),
    [
        (["read"], {}, (200, 403)),
        (["write"], {}, (403, 200)),
        (["admin"], {}, (200, 200)),
        (["read"], {"customer_id": "acme"}, (403, 403)),
    ],
)
def test_prices_are_read_and_changed_with_the_right_key(
    context: RestContext, store: Store, scopes: list[str], limit: Any, codes: tuple[int, int]
) -> None:
    secret = make_key(store, "test", scopes=scopes, now_ns=NOW_NS, **limit)
    keys = KeyRing()
    keys.load(store.engine)
    client = TestClient(make_application(context, Access(keys)))
    client.headers["Authorization"] = f"Bearer {secret}"

    read = client.get(f"{API}/prices")
    written = client.post(f"{API}/prices", json={"prices": [OWN]})

    assert (read.status_code, written.status_code) == codes
