from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from spantoll.pipeline import make_settle
from spantoll.pricing import load_rate_card
from spantoll.query import QUESTIONS
from spantoll.query.cache import open_cache
from spantoll.records import UsageRecord
from spantoll.storage import KeyRing, SqlStore, Store, make_key
from spantoll.storage.periods import close_period
from spantoll.surfaces.rest import Access, RestContext, make_application
from tests.surfaces.rest.conftest import API, NOW_NS, Stored

Make = Callable[..., UsageRecord]
DAY_NS = 86_400 * 10**9


def serve(context: RestContext, access: Access | None = None) -> TestClient:
    return TestClient(make_application(context, access), base_url="http://127.0.0.1:4318")


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


@pytest.mark.parametrize("given", ["", "?customer_id=acme"])
def test_the_real_time_answer_is_kept_and_says_its_age(
    context: RestContext, stored: Stored, record: Make, given: str
) -> None:
    answers = open_cache("memory", ttl_s=300)
    client = serve(replace(context, answers=answers))
    address = f"{API}/questions/real_time{given}"
    stored([record(customer_id="acme")])

    first = client.get(address)
    stored([record(customer_id="acme")])
    again = client.get(address)

    assert (first.status_code, again.headers["age"]) == (200, "0")
    assert first.json() == again.json()
    assert client.get(address, headers={"Accept": "text/csv"}).text.count("\n") > 24
    assert answers.counts == (2, 1, 0)


@pytest.mark.parametrize(
    ("headers", "requests"), [({}, 1), ({"Cache-Control": "no-cache"}, 2)], ids=["kept", "fresh"]
)
@pytest.mark.parametrize("path", ["questions/performance", "health/data"])
def test_an_answer_that_reads_every_record_is_kept_where_it_is_slow(
    context: RestContext,
    stored: Stored,
    record: Make,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    headers: dict[str, str],
    requests: int,
) -> None:
    module = "usage" if path == "health/data" else "questions"
    monkeypatch.setattr(f"spantoll.surfaces.rest.{module}.SLOW_S", 0.0)
    client = serve(replace(context, answers=open_cache("memory", ttl_s=300)))
    stored([record()])

    first = client.get(f"{API}/{path}", headers=headers)
    stored([record()])
    again = client.get(f"{API}/{path}", headers=headers)
    other = client.get(f"{API}/{path}?model=other", headers=headers)

    calls = [each.json()["coverage"]["requests"] for each in (first, again, other)]
    assert calls == [1, requests, 0]
    assert again.headers["age"] == "0"


@pytest.mark.parametrize("given", ["real_time?last=24h", "overall"])
def test_every_other_answer_is_made_anew(context: RestContext, given: str) -> None:
    answers = open_cache("memory", ttl_s=300)
    client = serve(replace(context, answers=answers))

    response = client.get(f"{API}/questions/{given}")

    assert (response.status_code, response.headers.get("age")) == (200, None)
    assert answers.counts == (0, 0, 0)


def test_a_limited_key_gets_no_answer_that_was_kept_for_another(
    context: RestContext, store: Store, stored: Stored, record: Make
) -> None:
    answers, keys = open_cache("memory", ttl_s=300), KeyRing()
    stored([record(customer_id="acme"), record(customer_id="rival")])
    limits: tuple[dict[str, str], ...] = ({}, {"customer_id": "acme"})
    secrets = [make_key(store, "k", scopes=("read",), now_ns=NOW_NS, **limit) for limit in limits]
    keys.load(store.engine)
    client = serve(replace(context, answers=answers), Access(keys))

    totals = [
        client.get(f"{API}/questions/real_time", headers={"Authorization": f"Bearer {secret}"})
        for secret in secrets
    ]

    assert [each.json()["totals"]["requests"] for each in totals] == [2, 1]
    assert answers.counts == (0, 2, 0)
