"""The page /explore over the calls of the demo: what it shows is what the API and SQL answer."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from decimal import Decimal
from html import unescape

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from spantoll.surfaces.dashboard import add_dashboard
from spantoll.surfaces.rest import RestContext, make_application
from tests.surfaces.conftest import DemoServer
from tests.surfaces.dashboard.conftest import Get


def read_rows(page: str) -> list[list[str]]:
    """Return the cells of the table that answers, without their tags."""
    body = re.search(r"<table data-answer>.*?<tbody>(.*?)</tbody>", page, re.DOTALL)
    assert body
    return [
        [unescape(re.sub("<[^>]*>", "", cell)).strip() for cell in re.findall(r"<td.*?</td>", row)]
        for row in re.findall(r"<tr>(.*?)</tr>", body[1], re.DOTALL)
    ]


def find_download(page: str, name: str) -> str:
    found = re.search(rf'<a href="([^"]*)" download="usage\.{name}"', page)
    assert found
    return unescape(found[1])


def test_rows_are_those_of_sql(demo_server: DemoServer, get: Get) -> None:
    page = get("/explore?measure=requests&measure=input_tokens&by=provider&by=team&last=")

    with demo_server.store.engine.connect() as connection:
        expected = connection.execute(
            text(
                "SELECT provider, team, sum(requests), sum(input_tokens) FROM usage_record"
                " WHERE counted GROUP BY 1, 2"
            )
        ).all()
    found = [row[:4] for row in read_rows(page)]
    assert sorted(found) == sorted([a, b, f"{c:,}", f"{d:,}"] for a, b, c, d in expected)


@pytest.mark.parametrize("query", ["by=customer_id", "by=model&by=team&window=week", "window=day"])
def test_downloads_hold_every_row_and_add_up_to_the_total(get: Get, query: str) -> None:
    page = get(f"/explore?measure=cost_usd&measure=requests&last=30d&{query}")

    answer = json.loads(get(find_download(page, "json")))
    rows = list(csv.DictReader(io.StringIO(get(find_download(page, "csv")))))
    total = re.search(r'data-total="requests">([\d,]+)<', page)

    assert total
    assert len(rows) == len(read_rows(page)) == len(answer["rows"])
    assert sum(int(row["requests"]) for row in rows) == int(total[1].replace(",", ""))
    assert sum(Decimal(row["cost_usd"] or 0) for row in rows) == Decimal(
        answer["totals"]["cost_usd"]
    )


def test_a_row_leads_to_its_records(get: Get) -> None:
    page = get("/explore?measure=requests&by=model&window=day&last=30d&where=customer_id%3Dacme")

    row = next(row for row in read_rows(page) if row[1] == "command-a")
    links = re.findall(r'href="(/records[^"]*model%3Dcommand-a[^"]*)"', page)
    records = get(unescape(links[0]))

    assert records.count('<a href="/records/') == int(row[2])
    assert "globex" not in records


def test_amounts_over_time_are_stacked_and_ratios_are_not(get: Get) -> None:
    stacked = get("/explore?measure=cost_usd&by=provider&window=day&last=30d")
    single = get("/explore?measure=success_rate&by=provider&window=day&last=30d")

    assert stacked.count("data-group") == 5
    assert len(set(re.findall(r'class="bar (s\d)"', stacked))) > 2
    assert "31 bars" in stacked
    assert "data-group" not in single
    assert "31 bars" in single


def test_a_stacked_chart_has_a_scale(get: Get) -> None:
    page = get("/explore?measure=revenue_usd&by=team&window=day&last=30d")

    scale = re.search(r'<p class="axis" aria-hidden="true">([$~\d.+]+)</p>', page)
    assert scale
    assert f" with {scale[1]}; of the groups" in page


def test_a_mean_of_money_is_not_stacked(get: Get) -> None:
    page = get("/explore?measure=cost_per_request_usd&by=provider&window=day&last=30d")

    assert "data-group" not in page
    assert "cost per request usd by day, all groups together, 20" in page


def test_the_largest_groups_have_a_colour_and_the_rest_one_together(get: Get) -> None:
    page = get("/explore?measure=requests&by=model&by=team&window=day&last=30d")

    assert page.count("data-group") == 8
    assert "</svg> others</li>" in page


def test_everything_asked_is_in_the_address_of_what_is_next(get: Get) -> None:
    page = get("/explore?measure=requests&by=model&window=week&last=30d&where=team%3Dsearch")

    links = [unescape(each) for each in re.findall(r'href="(/explore\?[^"]*)"', page)]
    periods = [each for each in links if "from=today-6d" in each or "live=1" in each]
    assert len(periods) == 2
    assert all("measure=requests&by=model&window=week" in each for each in periods)
    assert "spantoll usage --last 30d --where team=search --measure requests --by model" in page


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("measure=costt", "did you mean"),
        ("by=modle", "did you mean"),
        ("window=fortnight", "fortnight"),
        ("order=team", "team"),
    ],
)
def test_what_cannot_be_asked_is_said_on_the_page(get: Get, query: str, message: str) -> None:
    page = get(f"/explore?{query}")

    alert = re.search(r'role="alert">(.*?)<', page)
    assert alert
    assert message in alert[1]


def test_fiscal_years_begin_where_the_settings_say(context: RestContext, filled: None) -> None:
    application = make_application(replace(context, fiscal_start=4), pages=add_dashboard)
    client = TestClient(application, base_url="http://127.0.0.1:4318")

    page = client.get("/explore?measure=requests&window=quarter&last=").text
    year = client.get("/").text
    other = client.get("/explore?measure=requests&window=quarter&last=&fiscal_start=2").text

    # 2026-11-19 and -20 are in the quarter that begins in October, or in November
    assert [row[0] for row in read_rows(page)] == ["2026-10-01"]
    assert [row[0] for row in read_rows(other)] == ["2026-11-01"]
    assert "/?from=2026-04-01" in year
    assert "fiscal_start=4" in find_download(page, "csv")
    assert "--fiscal-start 4" in page
