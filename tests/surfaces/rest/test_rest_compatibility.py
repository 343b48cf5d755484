"""Requests of usage trackers as they are printed, with answers worked by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

import pytest
from starlette.testclient import TestClient

from spantoll.records import UsageRecord
from spantoll.records.build import latency_bucket
from spantoll.storage import Store
from spantoll.surfaces.rest.compatibility import ALIASES
from tests.surfaces.rest.conftest import NOW_NS

DAY_NS = 86_400 * 10**9
AUGUST_NS = 1_756_566_000_000_000_000
"""2025-08-30T15:00:00Z."""
MEDIAN_MS = pytest.approx(1_000, rel=0.02)
"""Percentiles are of buckets 4 % wide."""
GROUPED = "/metrics/grouped?groupBy="
WORKSPACE = "/api/llm-usage/by-workspace/w1"


@pytest.fixture
def calls(store: Store, record: Callable[..., UsageRecord]) -> None:
    """Two calls of August 2025 and four of the last days; each costs $2.50 but one unpriced."""
    openai = {"provider": "openai", "model": "gpt-4", "operation": "chat"}
    groq = {"provider": "groq", "model": "llama", "operation": "text_completion"}
    second = {"duration_ns": 10**9, "latency_bucket": latency_bucket(10**9)}
    store.write(
        [
            record(customer_id="cust111", user_id="user222", started_ns=AUGUST_NS, **openai),
            record(customer_id="cust111", started_ns=AUGUST_NS + DAY_NS, **groq),
            record(user_id="user123", workspace_id="w1", **second, **openai),
            record(user_id="user123", workspace_id="w1", **second, **groq),
            record(started_ns=NOW_NS - 8 * DAY_NS, status="error", workspace_id="w1", **groq),
            record(started_ns=NOW_NS - 1, pricing_status="unpriced", **groq),
        ]
    )


@pytest.mark.parametrize(
    ("address", "measure", "expected"),
    [
        ("/metrics/summary", "requests", 6),
        ("/metrics/summary?customerId=cust111", "cost_usd", "5.000000000"),
        ("/metrics/summary?customerId=cust111&userId=user222", "requests", 1),
        ("/metrics/summary?vendorName=OpenAI", "requests", 2),
        ("/metrics/summary?apiType=chat", "requests", 2),
        ("/metrics/summary?apiType=completion", "requests", 4),
        ("/metrics/summary?fromDate=2025-08-01&toDate=2025-08-31", "requests", 2),
        ("/metrics/summary?fromDate=2025-08-01&toDate=2025-08-30", "requests", 1),
        ("/llm/analytics/usage?startDate=2026-01-01&endDate=2026-12-31", "success_rate", 0.75),
        ("/llm/analytics/usage?userId=user123", "latency_avg_ms", 1_000.0),
        ("/llm/analytics/model/gpt-4?startDate=2026-01-01", "requests", 1),
        ("/llm/analytics/provider/groq?startDate=2026-01-01", "requests", 3),
        ("/llm/analytics/performance?startDate=2026-01-01", "error_rate", 0.25),
        ("/api/usage/metrics/realtime", "requests", 3),
        ("/api/usage/metrics/aggregates?days=7&interval=day&provider=groq", "requests", 2),
        ("/api/usage/costs/by-provider?days=30", "cost_usd", "7.500000000"),
        ("/api/usage/performance/latency?days=7&provider=openai", "latency_p50_ms", MEDIAN_MS),
        ("/api/llm-usage/analytics?workspaceId=w1&startDate=2026-01-01", "requests", 3),
    ],
)
def test_printed_requests_have_the_totals_worked_by_hand(
    client: TestClient, calls: None, address: str, measure: str, expected: Any
) -> None:
    answer = client.get(address).json()

    assert answer["totals"][measure] == expected


@pytest.mark.parametrize(
    ("address", "names", "expected"),
    [
        (f"{GROUPED}vendorName&period=month", ("provider",), {("openai",), ("groq",)}),
        (f"{GROUPED}vendorApiType&period=day", ("operation",), {("chat",), ("text_completion",)}),
        (f"{GROUPED}vendorModel&period=week", ("model",), {("gpt-4",), ("llama",)}),
        ("/llm/analytics/popular-models?limit=1", ("model", "requests"), {("llama", 4)}),
        ("/llm/analytics/costs?groupBy=month&startDate=2026-01-01", ("requests",), {(4,)}),
    ],
)
def test_printed_requests_are_grouped_as_they_ask(
    client: TestClient, calls: None, address: str, names: tuple[str, ...], expected: set[Any]
) -> None:
    rows = client.get(address).json()["rows"]

    assert {tuple(row[name] for name in names) for row in rows} == expected


@pytest.mark.parametrize(
    ("address", "models"),
    [
        (WORKSPACE, ["llama", "gpt-4", "llama"]),
        (f"{WORKSPACE}/provider/groq", ["llama", "llama"]),
        (f"{WORKSPACE}/model/gpt-4", ["gpt-4"]),
        ("/api/llm-usage/by-workspace/w2", []),
    ],
)
def test_logs_of_a_workspace_are_listed(
    client: TestClient, calls: None, address: str, models: list[str]
) -> None:
    records = client.get(address).json()["records"]

    assert [each["model"] for each in records] == models


@pytest.mark.parametrize("alias", ALIASES, ids=lambda alias: alias.path)
def test_what_no_tracker_takes_is_refused(client: TestClient, alias: Any) -> None:
    path = alias.path.format(workspaceId="w", provider="p", model="m", modelId="m")

    assert client.get(f"{path}?vendor_nam=x").status_code == 422
    assert client.get(f"{path}?limit=many").status_code == 422
    assert client.get(path).status_code == 200


def test_models_and_providers_are_listed_at_the_paths_of_a_browser(client: TestClient) -> None:
    models = client.get("/llm/models?provider=openai&limit=5")
    providers = client.get("/llm/providers").json()["providers"]
    free = client.get("/llm/models/free/all").json()["models"]

    assert models.json() == client.get("/api/v1/models?provider=openai&limit=5").json()
    assert "openai" in [each["provider"] for each in providers]
    assert free
    assert all(each["free"] for each in free)


def test_a_model_is_found_by_its_name_at_every_provider(client: TestClient) -> None:
    found = client.get("/llm/models/gpt-4o").json()["models"]
    unknown = client.get("/llm/models/gpt-9000/none")

    assert {each["model"] for each in found} == {"gpt-4o"}
    assert {"openai", "azure.ai.openai"} & {each["provider"] for each in found}
    assert unknown.status_code == 404


def test_a_call_is_estimated_in_the_spelling_of_a_browser(client: TestClient) -> None:
    asked = {"modelId": "gpt-4o", "provider": "openai", "inputTokens": 1_000, "outputTokens": 200}

    answer = client.post("/llm/estimate-cost", json=asked).json()

    assert (answer["cost_usd"], answer["status"]) == ("0.0045", "exact")


@pytest.mark.parametrize("segment", ["%C4%80", "a%0D%0Ab: c", "a b"])
@pytest.mark.parametrize("format", ["csv", "json"])
def test_links_of_an_answer_are_encoded_as_its_address_is(
    client: TestClient, store: Store, record: Callable[..., UsageRecord], segment: str, format: str
) -> None:
    store.write([record(workspace_id=unquote(segment)), record(workspace_id=unquote(segment))])
    path = f"/api/llm-usage/by-workspace/{segment}"

    answer = client.get(f"{path}?format={format}&limit=1")

    assert answer.status_code == 200
    assert f"<{quote(unquote(path))}?format={format}&limit=1&after=" in answer.headers["link"]
