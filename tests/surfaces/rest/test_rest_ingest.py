"""Usage events over HTTP; the bodies of SEEDS are those the first usage tracker prints."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.surfaces.rest.conftest import API

OPENAI = {
    "customer": {"id": "customer1", "orgName": "org1"},
    "user": {"id": "user1", "email": "alice@example.com"},
    "vendor": {"name": "OpenAI", "model": "gpt-4", "apiType": "chat"},
    "usage": {
        "promptTokens": 500,
        "completionTokens": 1000,
        "numberOfImages": 2,
        "videoDuration": 0,
        "audioDuration": 3.5,
    },
    "timestamp": "2025-08-30T15:00:00Z",
}
ANTHROPIC = {
    "customer": {"customerId": "customer1", "orgName": "Bob"},
    "user": {"userId": "user1", "userEmail": "bob@example.com"},
    "vendor": {
        "vendorName": "Anthropic",
        "vendorModel": "claude-3",
        "vendorApiType": "completion",
    },
    "usage": {
        "inputTokensRaw": 800,
        "outputTokensRaw": 1200,
        "imagesRaw": 1,
        "videoDuration": 0,
        "audioDuration": 0,
    },
    "timestamp": "2025-08-30T16:00:00Z",
}
GEMINI = {
    "customer": {"customerId": "customer2", "orgName": "Charlie"},
    "user": {"userId": "user2", "userEmail": "charlie@example.com"},
    "vendor": {"vendorName": "Gemini", "vendorModel": "gemini-1", "vendorApiType": "chat"},
    "usage": {
        "textTokens": 400,
        "nrImages": 0,
        "videoLengthInMinutes": 10,
        "audioLengthInMinutes": 7.2,
    },
    "timestamp": "2025-08-30T17:00:00Z",
}
SEEDS = {
    # 500 x 30 + 1,000 x 60 USD per million; gpt-4 has no price for images and audio.
    "openai": (
        OPENAI,
        {
            "provider": "openai",
            "model": "gpt-4",
            "operation": "chat",
            "customer_id": "customer1",
            "organisation": "org1",
            "user_id": "user1",
            "user_email": "alice@example.com",
            "started_at": "2025-08-30T15:00:00+00:00",
            "input_tokens": 500,
            "output_tokens": 1000,
            "images": 2,
            "audio_seconds": 210,
            "video_seconds": 0,
            "cost_usd": "0.075000000",
            "pricing_status": "partial",
        },
    ),
    # There is no model of this name, so no price: unknown is not 0.
    "anthropic": (
        ANTHROPIC,
        {
            "provider": "anthropic",
            "model": "claude-3",
            "operation": "text_completion",
            "customer_id": "customer1",
            "organisation": "Bob",
            "user_email": "bob@example.com",
            "started_at": "2025-08-30T16:00:00+00:00",
            "input_tokens": 800,
            "output_tokens": 1200,
            "images": 1,
            "cost_usd": None,
            "pricing_status": "unpriced",
        },
    ),
    "gemini": (
        GEMINI,
        {
            "provider": "gcp.gemini",
            "model": "gemini-1",
            "customer_id": "customer2",
            "organisation": "Charlie",
            "input_tokens": 400,
            "output_tokens": None,
            "images": 0,
            "video_seconds": 600,
            "audio_seconds": 432,
            "cost_usd": None,
            "pricing_status": "unpriced",
        },
    ),
}


@pytest.mark.parametrize("path", ["/usage", f"{API}/records"])
@pytest.mark.parametrize("name", SEEDS)
def test_the_printed_requests_are_taken_as_they_stand(
    client: TestClient, path: str, name: str
) -> None:
    body, expected = SEEDS[name]

    response = client.post(path, json=body)

    (record,) = response.json()["records"]
    assert response.status_code == 201
    assert response.json()["ignored"] == []
    assert {key: record[key] for key in expected} == expected
    assert (record["source"], record["counted"]) == ("rest", True)


OPENROUTER = {
    "prompt_tokens": 1_000,
    "completion_tokens": 100,
    "prompt_tokens_details": {"cached_tokens": 600},
    "cost": 0,
    "is_byok": True,
    "cost_details": {"upstream_inference_cost": 0.0123},
}


@pytest.mark.parametrize(
    ("vendor", "usage", "expected", "ignored"),
    [
        # 200 x 3 + 600 x 0.30 + 200 x 3.75 + 100 x 15 USD per million.
        (
            {"name": "Anthropic", "model": "claude-sonnet-4-5"},
            {
                "input_tokens": 200,
                "cache_read_input_tokens": 600,
                "cache_creation_input_tokens": 200,
                "output_tokens": 100,
                "service_tier": "standard",
            },
            {"input_tokens": 1_000, "cache_read_tokens": 600, "cost_usd": "0.003030000"},
            [],
        ),
        # Half of it.
        (
            {"name": "Anthropic", "model": "claude-sonnet-4-5"},
            {
                "input_tokens": 200,
                "cache_read_input_tokens": 600,
                "cache_creation_input_tokens": 200,
                "output_tokens": 100,
                "service_tier": "batch",
            },
            {"service_tier": "batch", "cost_usd": "0.001515000"},
            [],
        ),
        # 400 x 2.50 + 600 x 1.25 + 100 x 10 USD per million.
        (
            {"name": "OpenAI", "model": "gpt-4o"},
            {name: OPENROUTER[name] for name in list(OPENROUTER)[:3]},
            {"input_tokens": 1_000, "cache_read_tokens": 600, "cost_usd": "0.002750000"},
            [],
        ),
        # With a key of one's own: OpenRouter's fee, here 0, and what the provider bills.
        (
            {"name": "OpenRouter", "model": "anthropic/claude-sonnet-4.5"},
            OPENROUTER,
            {"input_tokens": 1_000, "cost_usd": "0.012300000", "cost_source": "reported"},
            [],
        ),
    ],
    ids=["anthropic", "anthropic_batch", "openai", "openrouter"],
)
def test_the_usage_object_of_a_provider_is_billed_as_it_is(
    client: TestClient,
    vendor: dict[str, str],
    usage: dict[str, Any],
    expected: dict[str, Any],
    ignored: list[str],
) -> None:
    body = {"vendor": vendor, "usage": usage, "timestamp": "2026-11-20T12:00:00Z"}

    response = client.post(f"{API}/records", json=body)

    (record,) = response.json()["records"]
    assert {name: record[name] for name in expected} == expected
    assert record["pricing_status"] == "priced"
    assert response.json()["ignored"] == ignored


@pytest.mark.parametrize(
    ("stated", "of_usage", "tier", "ignored"),
    [
        ({}, "batch", "batch", []),
        ({"service_tier": "batch"}, "batch", "batch", []),
        ({"service_tier": "batch"}, "standard", "batch", ["/usage/service_tier"]),
        ({}, "b" * 33, None, ["/usage/service_tier"]),
        ({}, None, None, []),
    ],
)
def test_the_tier_an_event_states_outranks_that_of_its_usage(
    client: TestClient, stated: dict[str, str], of_usage: Any, tier: str | None, ignored: list[str]
) -> None:
    usage = {"input_tokens": 100, "output_tokens": 10, "service_tier": of_usage}
    body = {"provider": "anthropic", "model": "claude-sonnet-4-5", "usage": usage} | stated

    response = client.post(f"{API}/records", json=body)

    (record,) = response.json()["records"]
    assert (record["service_tier"], response.json()["ignored"]) == (tier, ignored)


@pytest.mark.parametrize(("given", "expected"), [({}, None), ({"latency_ms": 810}, 810)])
def test_a_latency_that_is_not_given_is_unknown(
    client: TestClient, given: dict[str, int], expected: int | None
) -> None:
    stored = client.post("/usage", json=OPENAI | given).json()["records"][0]

    totals = client.get(f"{API}/usage/query?measure=latency_avg_ms").json()["totals"]
    assert (stored["latency_ms"], totals["latency_avg_ms"]) == (expected, expected)


def test_equal_events_without_an_id_are_calls_of_their_own(client: TestClient) -> None:
    for _ in range(3):
        client.post("/usage", json=OPENAI)

    totals = client.get(f"{API}/usage/query").json()["totals"]
    assert (totals["requests"], totals["cost_usd"]) == (3, "0.225000000")


@pytest.mark.parametrize("by", ["id", "Idempotency-Key"])
def test_an_event_sent_again_is_stored_once(client: TestClient, by: str) -> None:
    body = OPENAI | ({"id": "event-1"} if by == "id" else {})
    headers = {} if by == "id" else {by: "event-1"}

    first, again = (client.post(f"{API}/records", json=body, headers=headers) for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 200)
    assert (again.json()["created"], again.json()["duplicates"]) == (0, 1)
    assert again.json()["records"] == first.json()["records"]
    assert client.get(f"{API}/usage/query").json()["totals"]["requests"] == 1


def test_another_event_under_the_same_key_is_a_conflict(client: TestClient) -> None:
    headers = {"Idempotency-Key": "event-1"}
    client.post(f"{API}/records", json=OPENAI, headers=headers)

    response = client.post(f"{API}/records", json=ANTHROPIC, headers=headers)

    assert response.status_code == 409
    assert client.get(f"{API}/usage/query").json()["totals"]["requests"] == 1


SPOKEN = "what the patient told the doctor"


def test_content_sent_by_mistake_is_not_stored(client: TestClient, tmp_path: Path) -> None:
    body = OPENAI | {
        "messages": [{"role": "user", "content": SPOKEN}],
        "metadata": {
            "team": "search",
            "prompt": SPOKEN,
            "nested": {"note": SPOKEN},
            "long": SPOKEN * 20,
            "lines": f"1\n{SPOKEN}",
            SPOKEN: "yes",
        },
        "usage": {"promptTokens": 1, "comment": SPOKEN, SPOKEN: 1, "units": {SPOKEN: 1}},
    }

    response = client.post(f"{API}/records", json=body)
    (record,) = response.json()["records"]

    assert record["metadata"] == {"team": "search"}
    assert {"/messages", "/metadata/prompt", "/usage/comment"} <= set(response.json()["ignored"])
    with sqlite3.connect(tmp_path / "usage.db") as connection:
        dump = "\n".join(connection.iterdump())
    connection.close()
    assert "customer1" in dump
    assert SPOKEN not in dump


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"vendor": {}}, "/model"),
        ({"usage": None}, "/usage"),
        ({"usage": {"promptTokens": -1}}, "/usage"),
        ({"usage": {"audioDuration": "1e99"}}, "/usage/audioDuration"),
        ({"timestamp": "yesterday"}, "/timestamp"),
        ({"timestamp": "2031-01-01T00:00:00Z"}, "/timestamp"),
        ({"user": {"id": 7}}, "/user/id"),
        ({"customer_id": "acme"}, "/customer/id"),
        ({"status": "fine"}, "/status"),
        ({"latency_ms": "long"}, "/latency_ms"),
        ({"id": 7}, "/id"),
    ],
)
def test_an_event_that_cannot_be_read_is_pointed_into(
    client: TestClient, change: dict[str, Any], pointer: str
) -> None:
    response = client.post(f"{API}/records", json=OPENAI | change)

    assert response.status_code == 422
    assert [each["pointer"] for each in response.json()["errors"]] == [pointer]
    assert client.get(f"{API}/usage/query").json()["totals"]["requests"] == 0


def cloud_event(number: int, **given: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"event-{number}",
        "source": "shop",
        "type": "llm.call",
        "time": "2026-11-20T10:00:00Z",
        "subject": "acme",
        "data": {
            "provider": "openai",
            "model": "gpt-4o",
            "usage": {"input_tokens": 1000 * number, "output_tokens": 0},
        },
        **given,
    }


SINGLE = {"Content-Type": "application/cloudevents+json"}
BATCH = {"Content-Type": "application/cloudevents-batch+json; charset=utf-8"}


def test_cloud_events_are_stored_once_by_id_and_source(client: TestClient) -> None:
    events = [cloud_event(1), cloud_event(2), cloud_event(1), cloud_event(1, source="desk")]

    batch = client.post(f"{API}/events", content=json.dumps(events), headers=BATCH)
    again = client.post(f"{API}/events", content=json.dumps(cloud_event(2)), headers=SINGLE)

    totals = client.get(f"{API}/usage/query?customer=acme").json()["totals"]
    assert (batch.status_code, batch.json()["created"], batch.json()["duplicates"]) == (201, 3, 1)
    assert (again.status_code, again.json()["created"]) == (200, 0)
    # 4,000 tokens of gpt-4o at 2.50 USD per million
    assert (totals["requests"], totals["cost_usd"]) == (3, "0.010000000")


def test_a_batch_is_answered_with_every_record_in_its_order(client: TestClient) -> None:
    events = [cloud_event(number) for number in range(1, 1_001)]

    stored = client.post(f"{API}/events", content=json.dumps(events), headers=BATCH).json()

    tokens = [record["input_tokens"] for record in stored["records"]]
    assert (stored["created"], tokens) == (1_000, [1_000 * number for number in range(1, 1_001)])


def test_a_cloud_event_in_binary_mode_is_the_same_event(client: TestClient) -> None:
    event = cloud_event(1)
    headers = {
        "Content-Type": "application/json",
        "ce-specversion": "1.0",
        **{f"ce-{name}": event[name] for name in ("id", "source", "type", "time", "subject")},
    }

    first = client.post(f"{API}/events", content=json.dumps(event), headers=SINGLE)
    again = client.post(f"{API}/events", json=event["data"], headers=headers)

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["records"] == first.json()["records"]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ("{}", {"Content-Type": "application/json"}, 415),
        ("{", SINGLE, 400),
        ("{}", SINGLE, 422),
        ("{}", BATCH, 422),
        (json.dumps(cloud_event(1, specversion="0.3")), SINGLE, 422),
        (json.dumps(cloud_event(1, data="text")), SINGLE, 422),
        (json.dumps([cloud_event(1), cloud_event(2, id="")]), BATCH, 422),
        (json.dumps([cloud_event(1)] * 1_001), BATCH, 413),
    ],
)
def test_what_is_no_cloud_event_is_refused_and_nothing_is_stored(
    client: TestClient, body: str, headers: dict[str, str], status: int
) -> None:
    response = client.post(f"{API}/events", content=body, headers=headers)

    assert response.status_code == status
    assert client.get(f"{API}/usage/query").json()["totals"]["requests"] == 0
