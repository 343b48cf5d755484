"""Pages without a call name the cause, and lead to a view that has calls."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from starlette.testclient import TestClient

from spantoll.records import UsageRecord
from spantoll.storage import Store
from spantoll.surfaces.dashboard import add_dashboard
from spantoll.surfaces.rest import RestContext, make_application

PATHS = ("/", "/records", "/explore")


def read_nothing(page: str) -> tuple[str, dict[str, str]]:
    """Return the cause, and the address of each way out."""
    found = re.search(r'id="nothing">(.*?)<a (.*?)</p>', page, re.DOTALL)
    assert found
    ways = re.findall(r'href="([^"]*)">([^<]*)</a>', found[2])
    return found[1].strip(), {unescape(text): unescape(address) for address, text in ways}


@pytest.mark.parametrize("path", PATHS)
def test_a_period_without_calls_leads_to_the_day_of_the_newest(
    client: TestClient, filled: None, path: str
) -> None:
    page = client.get(f"{path}?from=2026-11-21&where=customer_id%3Dglobex").text

    cause, ways = read_nothing(page)
    shown = client.get(ways["Show 2026-11-19"]).text
    assert cause.startswith("No calls in this period. The newest call is of 2026-11-19")
    assert 'id="nothing"' not in shown


@pytest.mark.parametrize("path", PATHS)
def test_the_filter_that_leaves_out_all_calls_is_named(
    client: TestClient, filled: None, path: str
) -> None:
    page = client.get(f"{path}?last=7d&where=customer_id%3Dacme&where=model%3Dgpt-9").text

    cause, ways = read_nothing(page)
    shown = client.get(ways["Remove model=gpt-9: 3 calls"]).text
    assert cause == "No calls match the filters in this period."
    assert list(ways) == ["Remove model=gpt-9: 3 calls", "Remove all filters"]
    assert 'id="nothing"' not in shown


def test_a_ledger_that_counts_no_call_leads_to_all_records(
    client: TestClient, store: Store, record: Callable[..., UsageRecord]
) -> None:
    store.write([record(counted=False, counted_reason="repeats")])

    cause, ways = read_nothing(client.get("/").text)

    assert cause.startswith("No call is counted")
    assert client.get(ways["all records"]).text.count('<a href="/records/') == 1


@pytest.mark.parametrize("path", [*PATHS, "/health?live=1"])
def test_a_database_that_is_away_is_a_page_with_a_command(
    context: RestContext, tmp_path: Path, path: str
) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/missing/usage.db")
    away = make_application(replace(context, engine=engine), pages=add_dashboard)

    response = TestClient(away, base_url="http://127.0.0.1:4318").get(path)

    assert response.status_code == 503
    assert "spantoll doctor" in response.text
    assert "cannot read the database" in response.text
