"""Lines in the place of bars, and shares of a whole: what is drawn is what is known."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from html import unescape

import pytest

from spantoll.surfaces.dashboard.chart import HEIGHT, Point, Series
from spantoll.surfaces.dashboard.line_chart import draw_lines
from spantoll.surfaces.dashboard.share_chart import draw_shares
from tests.surfaces.dashboard.conftest import Get


def list_points(*amounts: int | None) -> list[Point]:
    return [
        Point(f"day {day}", amount, "-" if amount is None else f"${amount}", f"/{day}")
        for day, amount in enumerate(amounts, start=1)
    ]


def test_a_line_goes_through_each_amount_and_the_highest_is_as_high_as_the_chart() -> None:
    chart = draw_lines([Series("a", list_points(0, 10, 5, 10))], of="Cost")

    (curve,) = chart.curves
    assert curve.places == f"120,{HEIGHT} 360,0 600,{HEIGHT // 2} 840,0"
    assert chart.highest == "$10"
    assert [bar.point.text for bar in chart.bars] == ["a $0", "a $10", "a $5", "a $10"]


def test_a_window_without_a_known_amount_is_a_gap() -> None:
    chart = draw_lines([Series("a", list_points(1, 1, None, 1))], of="Cost")

    assert [curve.places.count(",") for curve in chart.curves] == [2, 2]
    assert chart.bars[2].point.text == "nothing known"


def test_lines_of_groups_are_not_on_top_of_each_other() -> None:
    groups = [Series("a", list_points(4, 4)), Series("b", list_points(4, 2))]

    chart = draw_lines(groups, of="Cost", totals=list_points(8, 6))

    first, second = (curve.places.split(" ")[0] for curve in chart.curves)
    assert first == second
    assert (chart.highest, chart.bars[0].window_link) == ("$4", "/1")
    assert "The highest is day 1 with $8; of the groups, a." in chart.summary


@pytest.mark.parametrize("groups", [[], [Series("a", [])]], ids=["no-group", "no-window"])
def test_nothing_is_a_chart_without_lines(groups: list[Series]) -> None:
    chart = draw_lines(groups, of="Cost")

    assert (list(chart.bars), list(chart.curves)) == ([], [])
    assert chart.summary == "Cost: nothing in this period."


def test_parts_are_as_wide_as_their_share() -> None:
    chart = draw_shares(list_points(75, 25, None, 0), of="Cost")

    assert [(bar.x, bar.width) for bar in chart.bars] == [(0, 720), (720, 240)]
    assert chart.summary == "Cost: day 1 75.0%, day 2 25.0%. Without a known amount: day 3."
    assert [bar.point.text for bar in chart.bars] == ["$75, 75.0%", "$25, 25.0%"]


def test_shares_of_the_cost_are_those_of_the_api(get: Get) -> None:
    page = get("/?last=30d")

    plot = re.search(r'data-plot="cost-by-provider".*?</ul>', page, re.DOTALL)
    answer = json.loads(get("/api/v1/usage/query?last=30d&by=provider&measure=cost_usd"))
    assert plot
    shown = dict(re.findall(r"</svg> (\S+) ([\d.]+%)</li>", plot[0]))
    total = Decimal(answer["totals"]["cost_usd"])
    assert shown == {
        row["provider"]: f"{Decimal(row['cost_usd']) / total:.1%}"
        for row in answer["rows"]
        if row["cost_usd"] and Decimal(row["cost_usd"])
    }


@pytest.mark.parametrize("split", ["", "model"])
def test_the_address_says_that_the_cost_is_drawn_as_lines(get: Get, split: str) -> None:
    bars, lines = (get(f"/?last=7d&by={split}&draw={name}") for name in ("bars", "lines"))

    # a curve at least, and as many entries of the legend as there are groups
    assert len(re.findall(r'<polyline class="curve s\d d\d" points="\d+,\d+ ', lines)) >= 1
    assert lines.count('<svg class="key wide"') == (0 if not split else 8)
    assert "<polyline" not in bars
    assert re.search(r'aria-current="true">Lines<', lines)
    # what is said beside them is the same
    tables = [
        re.search(r'<table data-chart="cost-by.*?</table>', page, re.DOTALL)
        for page in (bars, lines)
    ]
    assert None not in tables
    assert len({table[0] for table in tables if table}) == 1
    assert f'by={split}&draw=lines">This month' in unescape(lines)


def test_a_drawing_that_is_not_there_is_said_on_the_page(get: Get) -> None:
    page = get("/?draw=line")

    assert "did you mean 'lines'" in unescape(page)
    assert "<polyline" not in page
