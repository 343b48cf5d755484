from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from spantoll.records import UsageRecord
from spantoll.surfaces.rest import RestContext, make_application
from tests.surfaces.rest.conftest import API, Stored

Make = Callable[..., UsageRecord]


def test_usage_is_summed_by_dimension_with_what_it_must_be_read_with(
    client: TestClient, stored: Stored, record: Make
) -> None:
    unpriced = record(customer_id="b", pricing_status="unpriced", pricing_reason="unknown_model")
    stored([record(customer_id="a"), record(customer_id="a"), record(customer_id="b"), unpriced])

    answer = client.get(f"{API}/usage/query?by=customer&measure=cost&order=-cost&last=7d").json()

    rows = [(row["customer_id"], row["cost_usd"], row["lower_bound"]) for row in answer["rows"]]
    assert rows == [("a", "5.000000000", False), ("b", "2.500000000", True)]
    assert answer["coverage"] == {
        "cost_usd": "7.500000000",
        "exact_usd": "7.500000000",
        "estimated_usd": "0.000000000",
        "partial_usd": "0.000000000",
        "requests": 4,
        "free_requests": 0,
        "estimated_requests": 0,
        "partial_requests": 0,
        "unpriced_requests": 1,
        "unpriced_tokens": 0,
        "cost_state": "partial",
        "estimated": False,
        "lower_bound": True,
    }
    assert (answer["from"], answer["to"]) == (
        "2026-11-14T12:00:00+00:00",
        "2026-11-21T12:00:00+00:00",
    )
    assert (answer["tz"], answer["currency"], answer["measures"]) == ("UTC", "USD", ["cost_usd"])


def test_an_answer_without_money_says_how_much_is_priced_too(
    client: TestClient, stored: Stored, record: Make
) -> None:
    stored([record(), record(pricing_status="unpriced"), record(pricing_status="estimated")])

    answer = client.get(f"{API}/usage/query?measure=requests&by=model").json()

    assert [row["requests"] for row in answer["rows"]] == [3]
    assert answer["coverage"]["estimated_usd"] == "2.500000000"
    assert answer["coverage"]["unpriced_requests"] == 1


def test_a_body_asks_what_an_address_asks(client: TestClient, stored: Stored, record: Make) -> None:
    stored([record(model="gpt-4o"), record(model="gpt-5")])

    by_address = client.get(
        f"{API}/usage/query?by=model&where=model!=gpt-5&window=day&tz=Asia/Tokyo"
    )
    by_body = client.post(
        f"{API}/usage/query",
        json={"by": ["model"], "where": ["model!=gpt-5"], "window": "day", "tz": "Asia/Tokyo"},
    )

    assert by_address.json() == by_body.json()
    assert [row["model"] for row in by_body.json()["rows"]] == ["gpt-4o"]


def test_any_other_parameter_is_a_filter(client: TestClient, stored: Stored, record: Make) -> None:
    stored([record(model=model) for model in ("gpt-4o", "gpt-5", "o3")])

    either = client.get(f"{API}/usage/query?by=model&model=gpt-4o&model=o3").json()
    others = client.get(f"{API}/usage/query?by=model&model!=gpt-4o&order=model").json()

    assert [row["model"] for row in either["rows"]] == ["gpt-4o", "o3"]
    assert [row["model"] for row in others["rows"]] == ["gpt-5", "o3"]


@pytest.mark.parametrize(
    ("query", "parameter", "allowed"),
    [
        ("modle=gpt-4o", "where", "model"),
        ("by=modle", "by", "model"),
        ("measure=costs", "measure", "cost_usd"),
        ("window=fortnight", "window", "week"),
        ("tz=Europe/Berln", "tz", "Europe/Berlin"),
        ("from=yesteryear", "from", "yesterday"),
        ("last=a+while", "last", "24h"),
        ("limit=0", "limit", None),
        ("last=7d&by=model&by=provider&last=24h", "last", None),
    ],
)
def test_a_wrong_parameter_is_named_with_what_is_allowed(
    client: TestClient, query: str, parameter: str, allowed: str | None
) -> None:
    response = client.get(f"{API}/usage/query?{query}")

    (problem,) = response.json()["errors"]
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["parameter"] == parameter
    assert allowed is None or allowed in problem["allowed"]


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ('{"by": ["modle"]}', 422, "/by"),
        ('{"group_by": ["model"]}', 422, "/group_by"),
        ('{"limit": "many"}', 422, "/limit"),
        ('{"where": [1]}', 422, "/where/0"),
        ('{"by": ', 400, None),
    ],
)
def test_a_wrong_body_is_pointed_into(
    client: TestClient, body: str, status: int, pointer: str | None
) -> None:
    headers = {"Content-Type": "application/json"}

    response = client.post(f"{API}/usage/query", content=body, headers=headers)

    assert response.status_code == status
    assert [each["pointer"] for each in response.json().get("errors", [])] == (
        [pointer] if pointer else []
    )


def test_an_answer_is_csv_or_json_lines_where_they_are_accepted(
    client: TestClient, stored: Stored, record: Make
) -> None:
    stored([record(model="=cmd()"), record(model="o3")])
    address = f"{API}/usage/query?by=model&order=model"

    as_csv = client.get(address, headers={"Accept": "text/csv"})
    as_lines = client.get(address, headers={"Accept": "application/json;q=0.5, application/jsonl"})

    assert as_csv.headers["content-type"] == "text/csv; charset=utf-8"
    assert [row["model"] for row in csv.DictReader(io.StringIO(as_csv.text))] == ["'=cmd()", "o3"]
    assert [json.loads(line)["model"] for line in as_lines.text.splitlines()] == ["=cmd()", "o3"]


def test_what_is_not_offered_is_refused_with_what_is(client: TestClient) -> None:
    response = client.get(f"{API}/usage/query", headers={"Accept": "image/png"})

    assert response.status_code == 406
    assert "text/csv" in response.json()["errors"][0]["allowed"]


def test_an_answer_the_client_has_is_not_sent_again(
    client: TestClient, stored: Stored, record: Make
) -> None:
    stored([record()])
    etag = client.get(f"{API}/usage/query").headers["etag"]

    same = client.get(f"{API}/usage/query", headers={"If-None-Match": etag})
    stored([record()])
    other = client.get(f"{API}/usage/query", headers={"If-None-Match": etag})

    assert (same.status_code, same.content) == (304, b"")
    assert other.status_code == 200


def test_data_health_names_emitters_and_what_has_no_price(
    client: TestClient, stored: Stored, record: Make
) -> None:
    stored([record(), record(pricing_status="unpriced", pricing_reason="unknown_model", model="x")])

    answer = client.get(f"{API}/health/data").json()

    assert answer["totals"]["unpriced_records"] == 1
    assert [(row["model"], row["requests"]) for row in answer["doubts"]] == [("x", 1)]
    assert answer["coverage"]["unpriced_requests"] == 1


def test_head_is_get_without_the_body(client: TestClient, stored: Stored, record: Make) -> None:
    stored([record()])

    got = client.get(f"{API}/usage/query?by=model")
    head = client.head(f"{API}/usage/query?by=model")

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == got.headers["etag"]
    assert head.headers["content-length"] == str(len(got.content))


@pytest.mark.parametrize("path", ["query", "growth"])
@pytest.mark.parametrize(
    ("given", "start"), [("", "2026-10-01"), ("&fiscal_start=2", "2026-11-01")]
)
def test_quarters_begin_in_the_month_that_is_set(
    context: RestContext, stored: Stored, record: Make, path: str, given: str, start: str
) -> None:
    stored([record()])
    client = TestClient(
        make_application(replace(context, fiscal_start=4)), base_url="http://127.0.0.1:4318"
    )

    period = "from=2026-11-01&to=2026-11-22&window=quarter&measure=requests"
    answer = client.get(f"{API}/usage/{path}?{period}{given}").json()

    assert answer["rows"][0]["window_start"].startswith(start)


@pytest.mark.parametrize("format", ["json", "csv", "jsonl"])
def test_every_format_says_how_much_is_priced(
    client: TestClient, stored: Stored, record: Make, format: str
) -> None:
    stored([record(), record(pricing_status="estimated"), record(pricing_status="unpriced")])

    answer = client.get(f"{API}/usage/query?by=model&format={format}")

    counts = "requests=3, unpriced=1, partial=0, estimated=1, free=0, notes=0"
    assert answer.headers["spantoll-coverage"] == counts
    if format == "json":
        assert "link" not in answer.headers
    else:
        described = answer.links["describedby"]["url"]
        assert client.get(described).json()["coverage"]["unpriced_requests"] == 1


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/usage/forecast?from=2026-01-01", "from"),
        ("/usage/growth?order=-cost", "order"),
        ("/usage/query?against=month", "against"),
        ("/usage/summary?by=model", "by"),
        ("/questions/performance?window=day", "window"),
        ("/records?order=-cost_usd", "order"),
        ("/exports/records?limit=5", "limit"),
        ("/customers?measure=requests", "measure"),
    ],
)
def test_a_parameter_of_another_route_is_refused_and_not_ignored(
    client: TestClient, path: str, parameter: str
) -> None:
    answer = client.get(f"{API}{path}")

    assert answer.status_code == 422
    (problem,) = answer.json()["errors"]
    assert problem["parameter"] == parameter
    assert parameter not in problem["allowed"]
    assert "tz" in problem["allowed"]
