"""Every number on every card of the demo's pages: the same from REST and from plain SQL."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from sqlalchemy import text

from tests.surfaces.conftest import DEMO_NOW_NS, DemoServer
from tests.surfaces.dashboard.conftest import Get

DAY_NS = 86_400 * 10**9
START_NS = DEMO_NOW_NS - 30 * DAY_NS
"""`last=30d` in UTC."""
CARDS = {
    "cost_usd": "sum(cost_nano) / 1e9",
    "requests": "sum(requests)",
    "priced_share": "100.0 * sum(requests * (cost_nano IS NOT NULL)) / sum(requests)",
    "priced_token_share": """100.0 * sum((input_tokens + output_tokens) * (cost_nano IS NOT NULL))
        / sum(input_tokens + output_tokens)""",
    "success_rate": "100.0 * sum(requests * (status = 'success')) / sum(requests)",
    "errors": "sum(requests * (status IN ('error', 'timeout')))",
    "latency_avg_ms": "avg(duration_ns) / 1e6",
    "input_tokens": "sum(input_tokens)",
    "cache_read_tokens": "sum(cache_read_tokens)",
    "cache_hit_rate": "100.0 * sum(cache_read_tokens) / sum(input_tokens)",
    "cache_savings_usd": """sum(CASE
        WHEN cache_read_tokens + coalesce(cache_write_tokens, 0) BETWEEN 1 AND input_tokens - 1
        THEN input_cost_nano
             * (cache_read_tokens + coalesce(cache_write_tokens, 0)) * 1.0
             / (input_tokens - cache_read_tokens - coalesce(cache_write_tokens, 0))
             - cache_cost_nano
        END) / 1e9""",
    "output_tokens": "sum(output_tokens)",
    "revenue_usd": "sum(revenue_nano) / 1e9",
    "margin_usd": "sum(revenue_nano - cost_nano) / 1e9",
    "margin_percent": "100.0 * sum(revenue_nano - cost_nano)"
    " / sum(CASE WHEN cost_nano IS NOT NULL THEN revenue_nano END)",
    "requests_without_revenue": "sum(requests * (revenue_nano IS NULL))",
}
"""Measures of the cards, and what they are in the SQL of SQLite."""
PLACES = {
    "cost_usd": 2,
    "revenue_usd": 2,
    "margin_usd": 2,
    "margin_percent": 1,
    "cache_savings_usd": 2,
    "cache_hit_rate": 1,
    "success_rate": 1,
    "priced_share": 1,
    "priced_token_share": 1,
    "latency_avg_ms": 1,
}
UNLIKE_SQL = ("latency_p95_ms",)
"""Percentiles are of buckets; `tests/query` compares them with those of every value."""


def read_cards(page: str) -> dict[str, str]:
    found = re.findall(r'<dd data-measure="(\w+)">(?:<a [^>]*>)?([^<]*)<', page)
    return {name: re.sub(r"[^\d.]", "", unescape(shown)) for name, shown in found}


def ask_rest(get: Get, name: str) -> Decimal:
    answer = json.loads(get(f"/api/v1/usage/query?last=30d&measure={name}"))
    value = Decimal(str(answer["totals"][name]))
    return value * 100 if name.endswith(("_rate", "_share")) else value


def ask_sql(server: DemoServer, expression: str, where: str = "counted") -> Any:
    statement = f"SELECT {expression} FROM usage_record WHERE started_ns >= :start AND {where}"
    with server.store.engine.connect() as connection:
        return connection.execute(text(statement), {"start": START_NS}).scalar_one()


@pytest.mark.parametrize("path", ["/?last=30d", "/customers?last=30d"])
def test_cards_are_what_rest_and_sql_answer(demo_server: DemoServer, get: Get, path: str) -> None:
    cards = read_cards(get(path))

    for name, shown in cards.items():
        places = PLACES.get(name, 0)
        if name in UNLIKE_SQL:
            places = 1
        else:
            of_sql = ask_sql(demo_server, CARDS[name])
            assert shown == f"{of_sql:.{places}f}", name
        assert shown == f"{ask_rest(get, name):.{places}f}", name
    assert len(cards) >= 5


@pytest.mark.parametrize("dimension", ["provider", "model", "customer_id", "team"])
def test_tables_of_the_first_page_are_what_sql_answers(
    demo_server: DemoServer, get: Get, dimension: str
) -> None:
    page = get("/?last=30d")
    table = re.search(rf'<table data-card="{dimension}">.*?<tbody>(.*?)</tbody>', page, re.DOTALL)
    assert table
    rows = re.findall(
        r'<a [^>]*>([^<]*)</a></td>\s*<td class="number">([\d,]+)</td>', table[1], re.DOTALL
    )

    with demo_server.store.engine.connect() as connection:
        expected = connection.execute(
            text(
                f"SELECT {dimension}, sum(requests) FROM usage_record"
                " WHERE counted AND started_ns >= :start GROUP BY 1"
            ),
            {"start": START_NS},
        ).all()
    assert sorted(rows) == sorted((name, f"{count:,}") for name, count in expected)


def test_cards_of_data_health_are_what_sql_answers(demo_server: DemoServer, get: Get) -> None:
    page = get("/health?last=30d")
    found = re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", page)
    cards = {name: re.sub(r"[^\d.]", "", shown) for name, shown in found}

    unpriced = "counted AND cost_nano IS NULL"
    tokens = "sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0))"
    assert cards == {
        "Cost": f"{ask_sql(demo_server, 'sum(cost_nano) / 1e9'):.2f}",
        "Calls": str(ask_sql(demo_server, "sum(requests)")),
        "Unpriced calls": str(ask_sql(demo_server, "sum(requests)", unpriced)),
        "Unpriced tokens": str(ask_sql(demo_server, tokens, unpriced)),
        "Priced in part": "0",
        "Estimated": "0",
    }
