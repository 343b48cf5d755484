from __future__ import annotations

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from spantoll.pipeline import make_settle
from spantoll.pricing import load_rate_card
from spantoll.query import QUESTIONS
from spantoll.records import UsageRecord
from spantoll.storage import SqlStore, Store
from spantoll.storage.periods import close_period
from tests.surfaces.rest.conftest import API, NOW_NS, Stored

Make = Callable[..., UsageRecord]
DAY_NS = 86_400 * 10**9


@pytest.mark.parametrize("measure", ["requests", "cost_usd"])
@pytest.mark.parametrize("given", ["window=day&fill=true", "limit=1&others=true"])
def test_filled_windows_and_others_say_how_much_is_priced(
    client: TestClient, stored: Stored, record: Make, measure: str, given: str
) -> None:
    stored([record(model="a"), record(model="a"), record(model="b", pricing_status="unpriced")])

    answer = client.get(f"{API}/usage/query?by=model&last=3d&measure={measure}&{given}").json()

    assert answer["coverage"]["unpriced_requests"] == 1
    assert answer["totals"]["requests"] == 3
    assert sum(row["requests"] for row in answer["rows"]) == 3


def test_growth_compares_a_period_with_the_one_before(
    client: TestClient, stored: Stored, record: Make
) -> None:
    now, before = record(), record()
    before = before._replace(started_ns=before.started_ns - 7 * DAY_NS)
    stored([now, record(), before])

    answer = client.get(f"{API}/usage/growth?last=7d&by=model&measure=requests").json()

    (row,) = answer["rows"]
    assert (row["requests"], row["requests_before"], row["requests_growth"]) == (2, 1, 1.0)
    assert (answer["before_to"], answer["coverage"]["requests"]) == (answer["from"], 2)


def test_growth_is_of_thirty_days_where_nothing_is_asked(client: TestClient) -> None:
    answer = client.get(f"{API}/usage/growth").json()

    assert answer["measures"] == ["requests", "cost_usd"]
    assert answer["from"] == "2026-10-22T12:00:00+00:00"


def test_the_summary_has_calls_tokens_cost_outcomes_and_latency(
    client: TestClient, stored: Stored, record: Make
) -> None:
    stored([record(customer_id="a"), record(customer_id="b")])

    totals = client.get(f"{API}/usage/summary?customer_id=a").json()["totals"]

    assert (totals["requests"], totals["cost_usd"], totals["distinct_customers"]) == (
        *(1, "2.500000000"),
        1,
    )
    assert totals.keys() >= {"input_tokens", "success_rate", "latency_avg_ms"}


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_is_answered_by_its_name(
    client: TestClient, stored: Stored, record: Make, question: str
) -> None:
    stored([record()])

    response = client.get(f"{API}/questions/{question}?last=7d")

    assert response.status_code == 200, response.text
    assert response.json()["rows"]


def test_questions_are_listed_with_what_they_answer(client: TestClient) -> None:
    listed = client.get(f"{API}/questions").json()["questions"]

    assert [each["question"] for each in listed] == list(QUESTIONS)
    assert all(each["answers"] for each in listed)


def test_an_unknown_question_is_refused_with_those_there_are(client: TestClient) -> None:
    response = client.get(f"{API}/questions/pricey")

    (error,) = response.json()["errors"]
    assert (response.status_code, error["parameter"]) == (422, "question")
    assert "performance" in error["allowed"]


@pytest.fixture
def late_record(store: Store, record: Make) -> UsageRecord:
    """A call of a customer that arrived after its month was closed."""
    assert isinstance(store, SqlStore)
    late = record(customer_id="acme")
    close_period(
        store,
        "2026-11",
        tz="UTC",
        start_ns=late.started_ns - DAY_NS,
        end_ns=late.started_ns + 1,
        by="test",
        now_ns=NOW_NS - 1,
    )
    store.write([late], settle=make_settle(load_rate_card()))
    return late


def test_what_closed_periods_keep_out_of_sums_is_answered_too(
    client: TestClient, late_record: UsageRecord
) -> None:
    (listed,) = client.get(f"{API}/adjustments").json()["adjustments"]
    answer = client.get(f"{API}/usage/query").json()

    assert (listed["cause"], listed["customer_id"]) == ("late_record", "acme")
    assert answer["adjustments"]["booked"]["entries"] == 1
