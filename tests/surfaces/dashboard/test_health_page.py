"""Data health: the tables of arrivals and of reported costs are what REST answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import unescape

import pytest
from starlette.testclient import TestClient

from spantoll.records import UsageRecord
from spantoll.storage import Store
from spantoll.surfaces.advice import NO_USAGE
from tests.surfaces.dashboard.conftest import DAY_NS, NOW_NS, Get

Make = Callable[..., UsageRecord]
HOUR_NS = 3_600 * 10**9
DOLLAR = 10**9


def read_rows(page: str, card: str) -> list[list[str]]:
    """Return the texts of the cells of each row of a table."""
    table = re.search(rf'<table data-card="{card}">.*?<tbody>(.*?)</tbody>', page, re.DOTALL)
    assert table
    rows = re.findall(r"<tr>(.*?)</tr>", table[1], re.DOTALL)
    return [
        [re.sub("<[^>]*>", "", cell).strip() for cell in re.findall(r"<td.*?</td>", row, re.DOTALL)]
        for row in rows
    ]


def test_spans_of_a_clock_that_is_ahead_and_late_ones_are_counted(
    client: TestClient, store: Store, record: Make
) -> None:
    started_ns = NOW_NS - DAY_NS
    for delay_ns in (-HOUR_NS, 0, 0, HOUR_NS, 30 * HOUR_NS):
        store.write([record(started_ns=started_ns, received_ns=started_ns + delay_ns)])

    page = client.get("/health?last=7d").text
    answer = client.get("/api/v1/health/data?last=7d").json()

    rows = read_rows(page, "arrivals")
    totals = answer["totals"]
    assert [row[1:] for row in rows] == [
        ["1", "20.0%"],
        ["2", "40.0%"],
        ["1", "20.0%"],
        ["1", "20.0%"],
    ]
    assert (totals["ahead_records"], totals["delayed_records"], totals["late_records"]) == (1, 2, 1)


@pytest.mark.parametrize(
    ("reason", "todo"),
    [
        ("unknown_model: no price for m of openai", "Give m a price"),
        ("no_usage: the span carries no usage", NO_USAGE),
        ("no price for images", "spantoll prices set openai m images"),
    ],
)
def test_an_unpriced_model_gets_the_advice_that_its_reason_needs(
    client: TestClient, store: Store, record: Make, reason: str, todo: str
) -> None:
    status = "partial" if reason.startswith("no price") else "unpriced"
    unpriced = {"cost_nano": None} if status == "unpriced" else {}
    made = record(
        provider="openai",
        model="m",
        request_model="m",
        pricing_status=status,
        pricing_reason=reason,
        **unpriced,
    )
    store.write([made._replace(started_ns=NOW_NS - DAY_NS)])

    page = unescape(client.get("/health?last=7d").text)

    assert todo in page
    assert ('href="/prices/new?' in page) == (todo == "Give m a price")


def test_reported_costs_are_compared_with_the_price_list_and_lead_to_their_records(
    client: TestClient, store: Store, record: Make
) -> None:
    store.write(
        [
            record(model="a", cost_nano=2 * DOLLAR, reported_cost_nano=3 * DOLLAR),
            record(model="a", cost_nano=2 * DOLLAR),
        ]
    )

    page = client.get("/health?last=7d").text
    answer = client.get("/api/v1/health/data?last=7d").json()

    assert read_rows(page, "drift") == [["openai", "a", "1", "$3.00", "$1.00", "50.0%"]]
    (row,) = answer["drift"]
    assert (row["reported_difference_usd"], row["reported_cost_drift"]) == ("1.000000000", 0.5)
    link = re.search(r'<a href="(/records[^"]*reported_cost_usd[^"]*)"', page)
    assert link
    assert client.get(unescape(link[1])).text.count('<a href="/records/') == 1


def test_without_a_reported_cost_there_is_nothing_to_compare(get: Get) -> None:
    answer = json.loads(get("/api/v1/health/data?last=30d"))

    assert answer["drift"] == []
    assert 'data-card="drift"' not in get("/health?last=30d")


def test_a_model_that_has_a_price_by_now_is_to_be_priced_again(
    client: TestClient, store: Store, record: Make
) -> None:
    reason = "unknown_model: no price for gpt-4o of openai"
    store.write(
        [
            record(
                provider="openai",
                model="gpt-4o",
                request_model="gpt-4o",
                cost_nano=None,
                pricing_status="unpriced",
                pricing_reason=reason,
            )
        ]
    )

    page = unescape(client.get("/health?last=7d").text)

    assert "<code>spantoll reprice --provider openai --model gpt-4o</code>" in page
    assert "/prices/new?" not in page
