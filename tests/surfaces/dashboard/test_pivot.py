"""The pivot table of `/explore` over the calls of the demo."""

from __future__ import annotations

import re
from html import unescape

import pytest
from sqlalchemy import text

from tests.surfaces.conftest import DemoServer
from tests.surfaces.dashboard.conftest import Get


def read_pivot(page: str) -> tuple[list[str], list[list[str]]]:
    """Return the headings, and the cells of each row with those of the totals last."""
    table = re.search(r"<table data-pivot>(.*?)</table>", page, re.DOTALL)
    assert table
    rows = [
        [
            unescape(re.sub("<[^>]*>", "", cell)).replace(",", "")
            for cell in re.findall(r"<t[hd][ >].*?</t[hd]>", row)
        ]
        for row in re.findall(r"<tr>(.*?)</tr>", table[1], re.DOTALL)
    ]
    return rows[0], rows[1:]


def test_a_pivot_table_keeps_the_period_and_the_filters(get: Get) -> None:
    asked = "measure=requests&by=provider&by=team&from=2026-11-01&where=team%3Dsupport"
    page = get(f"/explore?{asked}&pivot=true")

    headings, _ = read_pivot(page)

    assert headings[1:] == ["support", "total"]
    assert "unknown filter" not in page
    assert 'name="from" size="12" value="2026-11-01"' in page


def test_cells_are_those_of_sql_and_add_up_to_the_totals(demo_server: DemoServer, get: Get) -> None:
    page = get("/explore?measure=requests&by=provider&by=team&last=&pivot=true")

    (_, *teams, total), rows = read_pivot(page)
    with demo_server.store.engine.connect() as connection:
        expected = connection.execute(
            text("SELECT provider, team, sum(requests) FROM v1_call GROUP BY 1, 2")
        ).all()
    *groups, totals = rows
    found = {
        (provider, team): int(cell)
        for provider, *cells, _ in groups
        for team, cell in zip(teams, cells, strict=True)
        if cell
    }
    assert total == "total"
    assert found == {(provider, team): count for provider, team, count in expected}
    assert [sum(int(cell or 0) for cell in row[1:-1]) for row in rows] == [
        int(row[-1]) for row in rows
    ]
    assert int(totals[-1]) == sum(found.values())


def test_windows_are_rows_and_a_cell_leads_to_its_records(get: Get) -> None:
    page = get("/explore?measure=requests&by=model&window=week&last=30d&pivot=true")

    headings, rows = read_pivot(page)
    links = re.findall(r'href="(/records[^"]*model%3Dcommand-a[^"]*)">(\d+)<', page)
    link, count = next((link, int(count)) for link, count in links if int(count) <= 50)
    assert headings[0] == "Week"
    assert len(rows) == 6
    assert get(unescape(link)).count('<a href="/records/') == count


@pytest.mark.parametrize(
    ("question", "offered"),
    [("by=model", False), ("window=day", False), ("by=model&window=day", True), ("", False)],
)
def test_a_pivot_table_is_offered_where_there_are_two_sides(
    get: Get, question: str, offered: bool
) -> None:
    page = get(f"/explore?measure=requests&{question}")

    assert ("As a pivot table" in page) is offered
    assert "data-pivot" not in get(f"/explore?measure=requests&{question}")


def test_the_pivot_table_stays_when_the_period_changes(get: Get) -> None:
    page = get("/explore?measure=requests&by=model&by=team&pivot=true")

    periods = [unescape(link) for link in re.findall(r'href="(/explore\?[^"]*)"', page)]
    assert all("pivot=true" in link for link in periods if "last=24h" in link)
    assert "pivot" not in re.findall(r'href="(/api[^"]*)"', page)[0]
