"""Charts of amounts below 0, such as the margin of calls that cost more than is charged."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal

import pytest
from starlette.testclient import TestClient

from spantoll.records import UsageRecord
from spantoll.storage import Store
from spantoll.surfaces.dashboard.chart import (
    HEIGHT,
    Point,
    Series,
    draw_bars,
    draw_stacks,
    read_amount,
)

Record = Callable[..., UsageRecord]


def make_point(name: str, amount: str | None) -> Point:
    return Point(name, None if amount is None else Decimal(amount), amount or "-")


def make_points(*amounts: str | None) -> list[Point]:
    return [make_point(str(index), amount) for index, amount in enumerate(amounts)]


def test_a_loss_hangs_below_the_line_of_zero() -> None:
    chart = draw_bars(make_points("3", "-1", None), of="margin")

    gain, loss, unknown = chart.bars
    assert (gain.y, gain.height) == (0, 150)
    assert (loss.y, loss.height) == (150, 50)
    assert unknown.height == 0
    assert (chart.zero, chart.height) == (150, HEIGHT)
    assert chart.summary.endswith("The highest is 0 with 3. The lowest is 1 with -1.")


def test_where_all_is_lost_the_least_loss_is_the_highest_and_an_unknown_one_is_not() -> None:
    chart = draw_bars(make_points("-4", None, "-1"), of="margin")

    assert [bar.height for bar in chart.bars] == [HEIGHT, 0, 50]
    assert (chart.zero, chart.height, chart.highest) == (0, HEIGHT, "")
    assert "The highest is 2 with -1. The lowest is 0 with -4." in chart.summary


def test_gains_alone_are_drawn_from_the_bottom() -> None:
    chart = draw_bars(make_points("4", "1", "0"), of="cost")

    assert [(bar.y, bar.height) for bar in chart.bars] == [(0, HEIGHT), (150, 50), (HEIGHT, 0)]
    assert (chart.zero, chart.height) == (None, HEIGHT)


def test_losses_of_groups_are_stacked_downwards_beside_gains() -> None:
    groups = [Series(name, make_points(*amounts)) for name, amounts in (
        ("a", ("3", "1")), ("b", ("-1", "-1")), ("c", ("-0.5", "1")),
    )]  # fmt: skip

    chart = draw_stacks(groups, of="margin")

    assert chart.zero is not None
    above = [bar for bar in chart.bars if read_amount(bar.point) > 0]
    below = [bar for bar in chart.bars if read_amount(bar.point) < 0]
    assert all(bar.y + bar.height <= chart.zero and bar.y >= 0 for bar in above)
    assert all(bar.y >= chart.zero for bar in below)
    assert all(bar.y + bar.height <= chart.height for bar in below)
    first, second = (bar for bar in below if bar.x == 0)
    assert second.y == first.y + first.height
    assert len(above) + len(below) == 6


@pytest.mark.parametrize("window", ["", "&window=day"])
def test_a_customer_that_costs_more_than_it_pays_has_a_bar(
    store: Store, client: TestClient, record: Record, window: str
) -> None:
    store.write(
        [
            record(customer_id="acme", cost_nano=10**9, revenue_nano=3 * 10**9),
            record(customer_id="globex", cost_nano=2 * 10**9, revenue_nano=10**9),
        ]
    )

    shown = client.get(
        f"/explore?measure=margin_usd&by=customer_id&from=2026-11-20&to=2026-11-21{window}"
    ).text

    bars = re.findall(r'y="(\d+)"[^>]* height="(\d+)"><title>([^<]*)</title>', shown)
    lost = [int(height) for _, height, title in bars if "globex" in title]
    line = re.search(r'<line class="zero"[^>]*y1="(\d+)"', shown)
    assert line
    assert lost == [66]
    assert "-$1.00" in shown
