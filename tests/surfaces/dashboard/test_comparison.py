"""Numbers beside those of an earlier period, on the first page and in Explore."""

from __future__ import annotations

import re
from html import unescape

import pytest
from starlette.testclient import TestClient

from tests.surfaces.dashboard.conftest import Get

DAY = "from=2026-11-20&to=2026-11-21"
"""$7.50 and a call without a price; the day before had one call of $2.50."""


def read_changes(page: str) -> dict[str, str]:
    found = re.findall(r'data-change="(\w+)">([^<]*)<', page)
    return {name: unescape(text) for name, text in found}


def test_cards_show_how_much_more_it_is_than_the_day_before(
    client: TestClient, filled: None
) -> None:
    page = client.get(f"/?{DAY}&against=previous").text

    changes = read_changes(page)
    assert changes["cost_usd"] == "▲ +$5.00 (+200.0%), was $2.50"
    assert changes["requests"] == "▲ +3 (+300.0%), was 1"
    assert changes["errors"] == "▲ +1 (n/a), was 0"
    assert changes["success_rate"] == "▼ -25.0 points, was 100.0%"
    assert "Compared with 2026-11-19 00:00:00 to 2026-11-20 00:00:00" in page


def test_without_a_comparison_there_is_no_change(client: TestClient, filled: None) -> None:
    assert read_changes(client.get(f"/?{DAY}").text) == {}


def test_each_group_of_explore_has_its_change_and_one_that_is_gone_its_row(
    client: TestClient, filled: None
) -> None:
    page = client.get(f"/explore?{DAY}&against=previous&measure=requests&by=customer_id").text

    rows = re.findall(r"<tr><td>(\w+)</td>.*?data-change=\"requests\">([^<]*)<", page, re.DOTALL)
    assert dict(rows) == {
        "acme": "▲ +3 (n/a), was 0",
        "unknown": "▲ +1 (n/a), was 0",
        "globex": "▼ -1 (-100.0%), was 1",
    }


def test_windows_of_explore_are_compared_with_the_window_before(
    client: TestClient, filled: None
) -> None:
    page = client.get(
        "/explore?from=2026-11-19&to=2026-11-21&against=previous&measure=cost_usd&window=day"
    ).text

    found = re.findall(r"<tr><td>([\d-]+)</td>.*?data-change=\"\w+\">([^<]*)<", page, re.DOTALL)
    assert found == [
        ("2026-11-19", "▲ +$2.50 (n/a), was $0.00"),
        ("2026-11-20", "▲ +$5.00 (+200.0%), was $2.50"),
    ]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("/?last=&against=previous", "period that begins"),
        ("/?against=century", "century"),
        ("/explore?last=&against=year", "period that begins"),
        ("/explore?window=day&against=year", "the one before"),
    ],
)
def test_what_cannot_be_compared_is_said_on_the_page(get: Get, query: str, message: str) -> None:
    alert = re.search(r'role="alert">(.*?)<', get(query))

    assert alert
    assert message in alert[1]


def test_a_comparison_stays_in_the_links_of_a_page(get: Get) -> None:
    page = get("/?against=previous")

    links = [unescape(link) for link in re.findall(r'href="(/[^"]*from=today-6d[^"]*)"', page)]
    assert links
    assert all("against=previous" in link for link in links)
    assert '<option value="previous" selected>' in page


@pytest.mark.parametrize("path", ["/records", "/customers", "/health"])
def test_pages_that_show_no_change_only_keep_the_comparison(get: Get, path: str) -> None:
    page = get(f"{path}?against=previous")

    assert "Compare with" not in page
    assert '<input type="hidden" name="against" value="previous">' in page


def test_by_default_every_bar_but_the_last_is_of_a_whole_day_with_calls(get: Get) -> None:
    page = get("/?by=")

    bars = re.findall(r"<title>([\d-]+): ([^<]*)</title></rect>", page)
    assert len(bars) == 30
    assert [text for _, text in bars if text in ("-", "$0.00")] == []
