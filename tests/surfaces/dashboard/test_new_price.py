from __future__ import annotations

import re

import pytest
from starlette.testclient import TestClient

from spantoll.query import Query, parse_filters, run
from spantoll.storage import KeyRing, Store, make_key
from spantoll.storage.reprice import list_runs
from spantoll.surfaces.dashboard import add_dashboard
from spantoll.surfaces.rest import Access, RestContext, make_application
from tests.surfaces.dashboard.conftest import NOW_NS, find_token, sign_in

ADDRESS = "/prices/new?provider=openai&model=new-model"
CALL = {
    "provider": "openai",
    "model": "new-model",
    "usage": {"input_tokens": 1_000_000, "output_tokens": 100_000},
}


@pytest.fixture
def unpriced(client: TestClient) -> TestClient:
    """A browser before a ledger with two calls of a model that has no price."""
    for number in (1, 2):
        client.post("/api/v1/records", json={**CALL, "id": f"call-{number}"}).raise_for_status()
    return client


def submit(client: TestClient, action: str, **amounts: str) -> str:
    page = client.get(ADDRESS).text
    form = {"csrf": find_token(page), "provider": "openai", "model": "new-model", "action": action}
    return client.post("/prices/new", data={**form, **amounts}).text


def ask_cost(store: Store) -> object:
    query = Query(measures=["cost_usd"], filters=parse_filters(["model=new-model"]))
    return run(store.engine, query).totals.measures["cost_usd"]


def test_a_preview_shows_what_changes_and_changes_nothing(
    unpriced: TestClient, store: Store
) -> None:
    page = submit(unpriced, "preview", input="2", output="10")

    # 2 calls of 1,000,000 x 2 and 100,000 x 10 USD per million
    assert re.findall(r'data-then="cost">([^<]*)<', page) == ["$6.00", "$6.00"]
    assert 'value="apply"' in page
    assert ask_cost(store) is None
    assert unpriced.get("/api/v1/prices").json()["prices"] == []


def test_an_applied_price_is_stored_and_its_calls_are_priced(
    unpriced: TestClient, store: Store
) -> None:
    page = submit(unpriced, "apply", input="2", output="10", note="from the sales desk")

    prices = unpriced.get("/api/v1/prices").json()["prices"]
    (done,) = list_runs(store.engine)
    assert f"spantoll reprice undo {done.run_id}" in page
    assert done.changed == 2
    assert str(ask_cost(store)) == "6.000000000"
    assert {(row["metric"], row["note"]) for row in prices} == {
        ("input", "from the sales desk"),
        ("output", "from the sales desk"),
    }
    assert "new-model" not in unpriced.get("/health").text


@pytest.mark.parametrize(
    ("amounts", "message"),
    [
        ({}, "at least one amount"),
        ({"input": "two"}, "two"),
        ({"input": "-1"}, "-1"),
        ({"input": "1", "valid_from": "soon"}, "soon"),
    ],
)
def test_what_is_no_price_is_said_on_the_page(
    unpriced: TestClient, store: Store, amounts: dict[str, str], message: str
) -> None:
    page = submit(unpriced, "apply", **amounts)

    alert = re.search(r'role="alert">(.*?)<', page)
    assert alert
    assert message in alert[1]
    assert list_runs(store.engine) == []


def test_a_form_without_the_token_of_its_page_does_nothing(
    unpriced: TestClient, store: Store
) -> None:
    form = {"provider": "openai", "model": "new-model", "action": "apply", "input": "2"}

    answer = unpriced.post("/prices/new", data=form)

    assert answer.status_code == 403
    assert ask_cost(store) is None


@pytest.mark.parametrize(
    ("scopes", "tenant", "path"),
    [(["read"], None, "/prices/new"), (["read"], "acme", ADDRESS)],
)
def test_a_price_takes_a_key_that_writes_and_is_not_limited(
    context: RestContext, store: Store, scopes: list[str], tenant: str | None, path: str
) -> None:
    secret = make_key(store, "key", scopes=scopes, tenant_id=tenant, now_ns=NOW_NS)
    keys = KeyRing()
    keys.load(store.engine)
    application = make_application(context, Access(keys), pages=add_dashboard)
    client = TestClient(application, base_url="http://127.0.0.1:4318")
    assert sign_in(client, secret) == 303

    form = {
        "csrf": find_token(client.get("/").text),
        "provider": "openai",
        "model": "x",
        "input": "1",
    }
    answer = client.post(path, data=form)

    assert answer.status_code == 403
