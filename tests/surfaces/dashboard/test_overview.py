"""The charts of the first page over the calls of the demo: what they show is what SQL answers."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from sqlalchemy import text

from spantoll.query import run
from spantoll.surfaces.dashboard.latency_chart import format_duration
from spantoll.surfaces.dashboard.over_time import GROUPS, draw_groups
from spantoll.surfaces.dashboard.period import View, narrow_filters
from tests.surfaces.conftest import DEMO_NOW_NS, DemoServer
from tests.surfaces.dashboard.conftest import Get

NOVEMBER_NS = DEMO_NOW_NS - (20 * 24 + 12) * 3600 * 10**9


def ask(server: DemoServer, statement: str) -> list[tuple[Any, ...]]:
    with server.store.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def read_table(page: str, name: str) -> list[tuple[str, str, str]]:
    """Return link, label and amount of each row of the table of a chart."""
    body = re.search(rf'<table data-chart="{name}">.*?<tbody>(.*?)</tbody>', page, re.DOTALL)
    assert body
    rows = re.findall(r'<a href="([^"]*)">([^<]*)</a></td><td class="number">([^<]*)<', body[1])
    return [(unescape(link), label, amount) for link, label, amount in rows]


def test_calls_by_outcome_are_those_of_sql(demo_server: DemoServer, get: Get) -> None:
    page = get("/?last=")

    found = re.findall(r'data-outcome="(\w+)">([\d,]+)<', page)
    expected = ask(
        demo_server, "SELECT status, sum(requests) FROM usage_record WHERE counted GROUP BY 1"
    )
    counts = {status: int(calls.replace(",", "")) for status, calls in found}
    assert list(counts) == ["success", "error", "timeout", "cancelled"]
    assert {status: calls for status, calls in counts.items() if calls} == dict(expected)


def test_errors_lead_to_failed_calls_and_to_those_that_timed_out(get: Get) -> None:
    page = get("/?last=")

    found = re.search(r'data-measure="errors"><a href="([^"]*)">(\d+)<', page)
    assert found
    records = get(unescape(found[1]))

    assert records.count('<a href="/records/') == int(found[2])


def test_bars_of_latency_lead_to_as_many_calls_as_they_show(
    demo_server: DemoServer, get: Get
) -> None:
    rows = read_table(get("/?last="), "calls-by-latency")

    timed = ask(demo_server, "SELECT count(duration_ns) FROM usage_record WHERE counted")
    counts = [int(amount.removesuffix(" calls").replace(",", "")) for _, _, amount in rows]
    link, count = next(
        (link, count) for (link, _, _), count in zip(rows, counts, strict=True) if 0 < count < 50
    )
    assert [(sum(counts),)] == timed
    assert get(link).count('<a href="/records/') == count


def test_lines_of_percentiles_are_those_of_the_api(get: Get) -> None:
    page = get("/?last=30d")
    found = re.search(r'data-measure="latency_p95_ms"><a [^>]*>([\d,.]+)<', page)
    assert found

    p95_ms = float(found[1].replace(",", ""))

    assert f"p95: {format_duration(p95_ms)}" in page
    assert page.count('class="mark ') == 6  # in the chart and in its legend


def read_split_table(page: str, name: str) -> tuple[list[str], list[list[tuple[str, str]]]]:
    """Return the headings of a stacked chart's table and, for each window, links and amounts."""
    table = re.search(rf'<table data-chart="{name}">(.*?)</table>', page, re.DOTALL)
    assert table
    headings = re.findall(r"<th[^>]*>([^<]*)</th>", table[1])
    rows = [
        [(unescape(link), text) for link, text in re.findall(r'<a href="([^"]*)">([^<]*)<', row)]
        for row in re.findall(r"<tr><td>(.*?)</tr>", table[1], re.DOTALL)
    ]
    return headings, rows


@pytest.mark.parametrize("name", ["model", "provider", "customer_id"])
def test_parts_of_the_cost_add_up_to_the_cost_of_each_window(
    demo_server: DemoServer, name: str
) -> None:
    view = View({}, (), (), NOVEMBER_NS, None, "Europe/Berlin", now_ns=DEMO_NOW_NS)
    totals = run(demo_server.store.engine, view.query("cost_usd", window="day", fill=True))

    chart = draw_groups(
        demo_server.store.engine,
        view,
        "cost_usd",
        by=(name,),
        window="day",
        of="Cost",
        totals=totals.rows,
    )

    amounts = [Decimal(point.amount or 0) for point in chart.points]
    width = len(chart.legend)
    sums = [sum(amounts[each : each + width]) for each in range(0, len(amounts), width)]
    assert width <= GROUPS + 1
    assert sums == [row.measures["cost_usd"] or 0 for row in totals.rows]
    assert sum(sums) > 0


def test_every_part_of_the_cost_leads_to_its_records(get: Get) -> None:
    page = get("/?from=2026-11-09&to=2026-11-12")

    headings, rows = read_split_table(page, "cost-by-day-and-model")
    # the filters of a page of records are those of the API, which counts more than a page of them
    asked = [
        link.replace("/records?", "/api/v1/usage/query?measure=requests&") for link, _ in rows[1]
    ]
    *parts, whole = (json.loads(get(address))["totals"]["requests"] for address in asked)

    assert (headings[0], headings[-2:]) == ("Day", ["others", "all"])
    assert len(rows) == 3
    assert sum(parts) == whole > 0
    assert len(get(rows[1][0][0]).split('<a href="/records/')) - 1 == parts[0]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("by=provider", "cost-by-day-and-provider"),
        ("by=customer_id", "cost-by-day-and-customer"),
        ("by=", "cost-by-day"),
    ],
)
def test_the_cost_over_time_is_split_as_the_address_says(get: Get, query: str, name: str) -> None:
    page = get(f"/?last=7d&{query}")

    assert f'data-plot="{name}"' in page
    assert f'{query}">This month' in unescape(page)


def test_a_split_that_is_not_there_is_said_on_the_page(get: Get) -> None:
    page = get("/?by=modle")

    assert "did you mean" in unescape(page)
    assert 'data-plot="cost-by-day-and-model"' in page


@pytest.mark.parametrize(
    ("kept", "more", "expected"),
    [
        (["model=a", "model=b"], ["model=a"], ["model=a"]),
        (["model=a", "team=x"], ["model!=b"], ["model=a", "team=x", "model!=b"]),
        (["model!=a"], ["model!=a", "model!=b"], ["model!=a", "model!=b"]),
        (["status=error"], ["status=error", "status=timeout"], ["status=error"]),
        (["model^=gpt"], ["model=gpt-4o"], ["model^=gpt", "model=gpt-4o"]),
        (["input_tokens>=5"], ["customer_id="], ["input_tokens>=5", "customer_id="]),
    ],
)
def test_a_link_narrows_what_the_page_shows(
    kept: list[str], more: list[str], expected: list[str]
) -> None:
    assert narrow_filters(kept, more) == expected


def test_month_to_date_is_of_the_month_whatever_the_period_is(
    demo_server: DemoServer, get: Get
) -> None:
    page = get("/?last=24h")

    found = re.search(r'id="month"><a [^>]*>\$([\d.]+)', page)
    month = ask(
        demo_server,
        "SELECT sum(cost_nano) / 1e9 FROM usage_record"
        f" WHERE counted AND started_ns >= {NOVEMBER_NS}",
    )
    assert found
    assert found[1] == f"{month[0][0]:.2f}"


@pytest.mark.parametrize(
    ("query", "chosen"),
    [
        ("", "30 days"),
        ("last=24h", "24 hours"),
        ("from=this_month-1mo&to=this_month", "Last month"),
        ("last=", "Everything"),
        ("from=2026-11-01", None),
    ],
)
def test_the_chosen_period_is_marked(get: Get, query: str, chosen: str | None) -> None:
    page = get(f"/?{query}")

    periods, _, _ = page.partition("</section>")
    marked = re.findall(r'aria-current="true">([^<]*)<', periods)
    assert marked == ([] if chosen is None else [chosen])


@pytest.mark.parametrize(
    ("ms", "written"),
    [(0.4, "0.4 ms"), (98.4, "98.4 ms"), (812.4, "812 ms"), (2_500, "2.5 s"), (90_000, "1.5 min")],
)
def test_durations_are_written_in_the_largest_unit(ms: float, written: str) -> None:
    assert format_duration(ms) == written


def test_calls_of_each_state_of_the_cost_lead_to_their_records(
    demo_server: DemoServer, get: Get
) -> None:
    page = get("/?last=30d")

    found = re.findall(r'<a href="([^"]*)" data-state="(\w+)">([\d,]+) ', page)
    coverage = json.loads(get("/api/v1/usage/query?last=30d&measure=cost_usd"))["coverage"]
    counts = {state: int(calls.replace(",", "")) for _, state, calls in found}
    unpriced = next(unescape(link) for link, state, _ in found if state == "unpriced")
    assert sum(counts.values()) == coverage["requests"]
    assert {f"{state}_requests": calls for state, calls in counts.items() if state != "exact"} == {
        name: calls for name, calls in coverage.items() if name.endswith("_requests") and calls
    }
    asked = unpriced.replace("/records?", "/api/v1/usage/query?measure=requests&")
    assert json.loads(get(asked))["totals"]["requests"] == counts["unpriced"] > 0


def test_all_filters_are_removed_by_one_link(get: Get) -> None:
    page = get("/?last=7d&by=team&where=provider%3Dopenai&where=status!%3Derror")

    cleared = re.search(r'<li><a href="([^"]*)">Clear all filters</a>', page)
    assert cleared
    assert unescape(cleared[1]) == "/?last=7d&by=team"
    assert "Clear all filters" not in get(unescape(cleared[1]))


def test_the_forecast_of_the_month_is_the_one_of_the_api(get: Get) -> None:
    page = get("/?last=24h&where=provider%3Dopenai")

    shown = re.search(r'id="forecast">([^<]*)<', page)
    forecast = json.loads(get("/api/v1/usage/forecast?provider=openai"))
    assert shown
    amount = Decimal(forecast["forecast_cost_usd"])
    assert shown[1] == f"~${amount:,.2f}{'+' if forecast['lower_bound'] else ''}"
    assert amount > Decimal(forecast["cost_usd"]) > 0
    assert f"The forecast is an estimate: {forecast['rule']} (UTC)." in page
