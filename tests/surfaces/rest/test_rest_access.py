"""Keys: who may ask, what they see, and that nothing of others shows anywhere."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import openpyxl
import pyarrow.parquet
import pytest
from starlette.testclient import TestClient

from spantoll.query import DIMENSIONS, QUESTIONS
from spantoll.records import UsageRecord
from spantoll.storage import KeyRing, Store, list_keys, make_key, revoke_key
from spantoll.storage.audit_events import list_audit_events
from spantoll.surfaces.rest import Access, RestContext, make_application
from tests.surfaces.rest.conftest import API, NOW_NS

Make = Callable[..., UsageRecord]
KeyMaker = Callable[..., str]
DOCUMENT = json.loads((Path(__file__).parents[3] / "docs" / "openapi.json").read_text())
MINE, RIVAL = "mine", "rival"


@pytest.fixture
def keys() -> KeyRing:
    return KeyRing()


@pytest.fixture
def key(store: Store, keys: KeyRing) -> KeyMaker:
    """Make a key that is known at once; return its secret."""

    def make(*scopes: str, **limit: str) -> str:
        secret = make_key(store, "test", scopes=scopes, now_ns=NOW_NS, **limit)
        keys.load(store.engine)
        return secret

    return make


def serve(context: RestContext, access: Access, host: str = "127.0.0.1") -> TestClient:
    return TestClient(make_application(context, access), base_url=f"http://{host}:4318")


@pytest.fixture
def local(context: RestContext, keys: KeyRing) -> TestClient:
    return serve(context, Access(keys))


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def test_this_machine_is_open_until_a_key_is_made(local: TestClient, key: KeyMaker) -> None:
    before = local.get(f"{API}/records").status_code

    secret = key("read")

    assert before == 200
    assert local.get(f"{API}/records").status_code == 401
    assert local.get(f"{API}/records", headers=bearer(secret)).status_code == 200


def test_other_addresses_are_closed_without_a_key(context: RestContext, keys: KeyRing) -> None:
    client = serve(context, Access(keys, local=False), "ledger.internal")

    response = client.get(f"{API}/openapi.json")

    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert client.get(f"{API}/records", headers=bearer("stk_guessed")).status_code == 401


def test_insecure_is_open_to_everybody_until_a_key_is_made(
    context: RestContext, keys: KeyRing, key: KeyMaker
) -> None:
    client = serve(context, Access(keys, local=False, anybody=True), "ledger.internal")
    before = client.get(f"{API}/records").status_code

    key("admin")

    assert (before, client.get(f"{API}/records").status_code) == (200, 401)


@pytest.mark.parametrize("path", ["/prices", "/customers/prices", "/periods", "/reprice"])
def test_insecure_opens_no_changes(context: RestContext, keys: KeyRing, path: str) -> None:
    client = serve(context, Access(keys, local=False, anybody=True), "ledger.internal")

    answer = client.post(f"{API}{path}", json={})

    assert answer.status_code == 403
    assert "spantoll keys make" in answer.json()["detail"]


def test_a_revoked_key_is_refused_and_opens_nothing(
    local: TestClient, key: KeyMaker, store: Store, keys: KeyRing
) -> None:
    secret = key("read")

    revoke_key(store, list_keys(store.engine)[0].id, now_ns=NOW_NS)
    keys.load(store.engine)

    assert local.get(f"{API}/records", headers=bearer(secret)).status_code == 401
    assert local.get(f"{API}/records").status_code == 401


@pytest.mark.parametrize(
    ("scopes", "status"),
    [(("read",), 200), (("admin",), 200), (("ingest",), 403), (("write",), 403)],
)
def test_to_ask_takes_the_scope_read(
    local: TestClient, key: KeyMaker, scopes: tuple[str, ...], status: int
) -> None:
    secret = key(*scopes)

    assert local.get(f"{API}/records", headers=bearer(secret)).status_code == status


def test_too_many_requests_of_one_key_are_refused(
    context: RestContext, keys: KeyRing, key: KeyMaker
) -> None:
    client = serve(context, Access(keys, rate="2/minute"))
    many, few = bearer(key("read")), bearer(key("read"))

    codes = [client.get(f"{API}/providers", headers=many).status_code for _ in range(3)]
    refused = client.get(f"{API}/providers", headers=many)

    assert codes == [200, 200, 429]
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert client.get(f"{API}/providers", headers=few).status_code == 200


@pytest.fixture
def ledger(store: Store, record: Make) -> None:
    """Six calls of each of two customers and tenants; all that is the rival's is named so."""
    store.write(
        [
            record(
                tenant_id=name,
                customer_id=name,
                cost_nano=cost,
                **dict.fromkeys(("user_id", "team", "model", "session_id", "project"), name),
                service_name=name,
                scope_name=name,
                metadata=json.dumps({"team.owner": name}),
            )
            for _ in range(6)
            for name, cost in ((MINE, 1_000_000_000), (RIVAL, 777_000_000_000))
        ]
    )


def takes_dimensions(path: str) -> bool:
    """Return whether a route splits its answer by what the reader names."""
    parameters = DOCUMENT["paths"].get(path, {}).get("get", {}).get("parameters", ())
    return any(each["name"] in ("by", "groupBy") for each in parameters)


def tricks(path: str) -> Iterator[str]:
    """Addresses of a route by which a reader might reach what is not its own."""
    filters = [
        *(
            f"{name}={RIVAL}"
            for name in DIMENSIONS
            if name in ("customer_id", "tenant_id", "model")
        ),
        *(f"{name}!={MINE}" for name in ("customer_id", "tenant_id", "model", "user_id")),
        *(f"where={name}%3D{RIVAL}" for name in ("customer", "tenant", "user")),
        *(f"where={name}!%3D{MINE}" for name in ("customer_id", "attr.team.owner")),
        *(f"customer_id={name}" for name in ("", f"{MINE}&customer_id={RIVAL}", "%25")),
        "uncounted=true",
        "last=1y",
        "limit=1",
        "after=9000000000000000000.9000000000000000000",
        "",
    ]
    if path.endswith("/statement"):
        filters = [f"period=2026-11&{given}" for given in ("", f"tenant={RIVAL}", "format=html")]
    if takes_dimensions(path):
        filters += [f"by={name}" for name in (*DIMENSIONS, "attr.team.owner")]
    yield from (f"{path}?{given}" for given in filters)
    yield from (f"{path}?format={format}" for format in ("csv", "jsonl"))


HIDDEN = tuple(
    f"{API}{path}"
    for path in (
        "/prices",
        "/customers/prices",
        "/owners",
        "/periods",
        "/reprice",
        "/reprice/{run}",
        "/audit",
    )
)
"""What a limited key may not read at all."""
SHOWN = tuple(
    f"{API}{path}"
    for path in (
        *("/usage/query", "/usage/growth", "/usage/summary", "/questions", "/questions/{question}"),
        *("/records", "/records/{record_id}", "/exports/records", "/health/data", "/providers"),
        *("/customers", "/customers/{customer}/statement"),
    )
)
"""What a key of a customer reads."""
OPEN = (f"{API}/openapi.json",)
"""What every key reads, and no scope is needed for."""
READ_ROUTES = [path for path, item in DOCUMENT["paths"].items() if "get" in item]


@pytest.mark.parametrize("limit", ["customer_id", "tenant_id"])
@pytest.mark.parametrize("path", READ_ROUTES)
def test_a_limited_key_sees_nothing_of_others(
    context: RestContext, keys: KeyRing, key: KeyMaker, ledger: None, path: str, limit: str
) -> None:
    client = serve(context, Access(keys, rate="100000/minute"))
    headers = bearer(key("read", **{limit: MINE}))
    fixed = dict.fromkeys(("provider", "model", "modelId", "workspaceId"), RIVAL)
    known = {**fixed, "question": "model_stats", "run": 1}
    if "{record_id}" in path:
        addresses = [path.format(record_id=number) for number in range(1, 13)]
    else:
        # An answer names the customer it was asked for.
        customers = (RIVAL, MINE) if limit == "customer_id" and "{customer}" in path else (MINE,)
        addresses = [
            address for name in customers for address in tricks(path.format(**known, customer=name))
        ]

    answers = [client.get(address, headers=headers) for address in addresses]

    shown = [answer.text for answer in answers if answer.status_code == 200]
    hidden = limit == "customer_id" and path not in (*SHOWN, *OPEN)
    assert bool(shown) != (hidden or path in HIDDEN) or RIVAL in addresses[0]
    assert not [text for text in shown if RIVAL in text or "777" in text]


@pytest.mark.parametrize("limit", ["customer_id", "tenant_id"])
def test_a_limited_key_sees_all_that_is_its_own(
    local: TestClient, key: KeyMaker, ledger: None, limit: str
) -> None:
    headers = bearer(key("read", **{limit: MINE}))
    rival = bearer(key("read"))

    own = local.get(f"{API}/usage/query?by=customer_id", headers=headers).json()
    pages = local.get(f"{API}/records?limit=100", headers=headers).json()["records"]
    everything = local.get(f"{API}/usage/query", headers=rival).json()

    cost = {} if limit == "customer_id" else {"cost_usd": "6.000000000"}
    assert [row["customer_id"] for row in own["rows"]] == [MINE]
    assert {name: own["totals"][name] for name in own["totals"] if name == "cost_usd"} == cost
    assert len(pages) == 6
    assert everything["totals"]["cost_usd"] == "4668.000000000"


BODIES = {
    f"{API}/estimate": {"model": "gpt-4o", "usage": {"input_tokens": 1}},
    "/llm/estimate-cost": {"modelId": "gpt-4o"},
    f"{API}/prices/test": {"provider": "openai", "model": "gpt-4o", "usage": {}},
    f"{API}/usage/query": {"by": ["customer_id"], "uncounted": True},
}
"""Bodies of what is asked by POST; what is changed takes any."""
ANSWERED = (f"{API}/usage/query",)
POST_ROUTES = [path for path, item in DOCUMENT["paths"].items() if "post" in item]


@pytest.mark.parametrize("path", POST_ROUTES)
def test_a_limited_key_changes_nothing_by_any_route(
    context: RestContext, keys: KeyRing, key: KeyMaker, ledger: None, store: Store, path: str
) -> None:
    client = serve(context, Access(keys))
    headers = bearer(key("read", customer_id=MINE))
    known = list_audit_events(store.engine)

    answer = client.post(path.format(run=1, number=1), json=BODIES.get(path, {}), headers=headers)

    assert answer.status_code == (200 if path in ANSWERED else 403)
    assert RIVAL not in answer.text
    assert list_audit_events(store.engine) == known


def test_no_route_has_a_method_that_the_tests_leave_out() -> None:
    methods = {method for item in DOCUMENT["paths"].values() for method in item}

    assert methods == {"get", "post"}


@pytest.mark.parametrize("limit", ["customer_id", "tenant_id"])
def test_a_body_reaches_no_further_than_an_address(
    local: TestClient, key: KeyMaker, ledger: None, limit: str
) -> None:
    headers = bearer(key("read", **{limit: MINE}))
    body = {"by": ["customer_id", "model"], "where": [f"customer_id={RIVAL}"], "uncounted": True}

    answer = local.post(f"{API}/usage/query", json=body, headers=headers).json()

    assert (answer["rows"], answer["totals"]["requests"]) == ([], 0)


NAMING_COSTS = (
    *(f"order={name}" for name in ("cost", "-cost_usd", "margin")),
    *(f"measure={name}" for name in ("cost", "margin_usd", "margin_percent", "cache_savings_usd")),
    *("cost_usd=1", "where=cost_usd>%3D1", "cost_usd>=1", "where=reported_cost_usd%3D1"),
    *("by=cost_source", "where=cost_source%3Dlist"),
)
COSTS = re.compile(r"cost|margin|markup|saving|777", re.IGNORECASE)
"""What an answer about the calls of `sold` would say of their cost, by name or by amount."""


def list_names(format: str, content: bytes) -> list[str]:
    """Return the names of the columns of a file."""
    if format == "parquet":
        return list(pyarrow.parquet.read_schema(io.BytesIO(content)).names)
    book = openpyxl.load_workbook(io.BytesIO(content))
    return [str(cell.value) for cell in next(book.worksheets[0].rows)]


@pytest.fixture
def sold(store: Store, record: Make) -> None:
    """Calls of a customer, whose costs begin with 777 and whose revenues with 3."""
    for model, revenue in (("a", 300_000_000), ("b", 310_000_000)):
        costs = dict.fromkeys(
            ("cost_nano", "input_cost_nano", "reported_cost_nano", "catalogue_cost_nano"),
            777_000_000_000,
        )
        assumed = '["the span reports a cost of 777 USD"]'
        store.write(
            [
                record(
                    customer_id=MINE,
                    model=model,
                    revenue_nano=revenue,
                    assumptions=assumed,
                    **costs,
                )
            ]
        )


@pytest.mark.parametrize("path", READ_ROUTES)
def test_a_key_of_a_customer_sees_no_cost(
    context: RestContext, keys: KeyRing, key: KeyMaker, sold: None, path: str
) -> None:
    client = serve(context, Access(keys, rate="100000/minute"))
    headers = bearer(key("read", customer_id=MINE))
    known = {"customer": MINE, "record_id": 1, "run": 1, "provider": "openai", "model": "gpt-4o"}
    known |= {"modelId": "gpt-4o", "workspaceId": "w"}
    names = QUESTIONS if "{question}" in path else ("",)
    addresses = [path.format(**known, question=name) for name in names]
    formats = ["json", "csv", "jsonl"] if "{record_id}" not in path else ["json"]
    formats = formats[1:] if "exports" in path else formats
    period = "period=2026-11&" if path.endswith("/statement") else ""

    answers = [
        client.get(f"{address}?{period}format={format}", headers=headers)
        for address in addresses
        for format in formats
    ]

    if path in OPEN:
        return
    assert {answer.status_code for answer in answers} == {200 if path in SHOWN else 403}
    if path in SHOWN and not path.endswith("/questions"):  # which names and describes all of them
        assert not [answer.text for answer in answers if COSTS.search(answer.text)]
    if path in (f"{API}/records", f"{API}/exports/records"):
        assert all("0.310000000" in answer.text for answer in answers)


@pytest.mark.parametrize("given", NAMING_COSTS)
@pytest.mark.parametrize("path", ["usage/query", "usage/growth", "records", "exports/records"])
def test_a_key_of_a_customer_names_no_cost(
    local: TestClient, key: KeyMaker, sold: None, path: str, given: str
) -> None:
    headers = bearer(key("read", customer_id=MINE))

    answer = local.get(f"{API}/{path}?{given}", headers=headers)

    assert answer.status_code == 403
    assert "777" not in answer.text


@pytest.mark.parametrize(
    "body", [{"measure": ["cost"]}, {"order": ["-cost_usd"]}, {"where": ["cost_usd>=1"]}], ids=str
)
def test_a_body_names_no_cost_either(
    local: TestClient, key: KeyMaker, sold: None, body: dict[str, list[str]]
) -> None:
    headers = bearer(key("read", customer_id=MINE))

    answer = local.post(f"{API}/usage/query", json=body, headers=headers)
    plain = local.post(f"{API}/usage/query", json={}, headers=headers)

    assert answer.status_code == 403
    assert plain.json()["totals"]["revenue_usd"] == "0.610000000"


@pytest.mark.parametrize("format", ["xlsx", "parquet"])
@pytest.mark.parametrize("path", ["usage/query", "records", "exports/records"])
def test_a_file_for_a_customer_has_no_cost(
    local: TestClient, key: KeyMaker, sold: None, path: str, format: str
) -> None:
    headers = bearer(key("read", customer_id=MINE))

    answer = local.get(f"{API}/{path}?format={format}", headers=headers)
    names = list_names(format, answer.content)

    assert "revenue_usd" in names
    assert not [name for name in names if COSTS.search(name)]
