"""The table of hours of the week: it adds up to the card, in the zone of the page."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from starlette.testclient import TestClient

from spantoll.query import Query, run
from spantoll.surfaces.dashboard.heat_map import WEEKDAYS, make_heat_map
from tests.surfaces.conftest import DEMO_NOW_NS, DemoServer
from tests.surfaces.dashboard.conftest import Get

DAY_NS = 86_400 * 10**9


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York"])
def test_hours_of_the_week_add_up_to_all_calls_of_the_period(
    demo_server: DemoServer, zone: str
) -> None:
    query = Query(
        measures=["cost_usd", "requests"],
        window="hour",
        tz=zone,
        start_ns=DEMO_NOW_NS - 30 * DAY_NS,
    )
    result = run(demo_server.store.engine, query)

    heat_map = make_heat_map(result)

    titles = [cell.title for row in heat_map.rows for cell in row.cells]
    calls = [re.search(r"([\d,]+) calls", title) for title in titles]
    assert [row.weekday for row in heat_map.rows] == list(WEEKDAYS)
    assert {len(row.cells) for row in heat_map.rows} == {24}
    assert sum(int(each[1]) for each in calls if each) == result.totals.requests
    assert max(cell.level for row in heat_map.rows for cell in row.cells) == 4


def test_a_call_is_in_the_hour_of_the_clock_of_the_page(client: TestClient, filled: None) -> None:
    period = "from=2026-11-19&to=2026-11-22"
    utc = client.get(f"/?{period}&tz=UTC").text
    kolkata = client.get(f"/?{period}&tz=Asia/Kolkata").text

    # 2026-11-20 was a Friday; the calls of `make_record` begin at 12:00 UTC
    assert 'title="Friday 12:00: $7.50+, 4 calls">7.50</td>' in utc
    assert 'title="Friday 17:00: $7.50+, 4 calls">7.50</td>' in kolkata


def test_a_period_that_is_too_long_for_hours_has_no_heat_map(get: Get) -> None:
    assert 'class="heat"' in get("/?last=30d")
    assert 'class="heat"' not in get("/?last=120d")


def test_hours_without_calls_are_not_zero(get: Get) -> None:
    page = get("/?last=30d")

    # the demo works between 8 and 18 hours
    assert 'title="Monday 03:00: no calls"></td>' in page
    shown = re.findall(r'<td class="h\d" title="[^"]*">([\d.]+)</td>', page)
    assert sum(map(Decimal, shown)) > 0
