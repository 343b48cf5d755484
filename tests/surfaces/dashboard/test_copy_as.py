"""What `/explore` offers to copy: each asks the same as the page."""

from __future__ import annotations

import json
import re
import shlex
from decimal import Decimal
from html import unescape

import pytest

from tests.surfaces.conftest import DemoServer
from tests.surfaces.dashboard.conftest import Get

QUESTION = "/explore?measure=cost_usd&measure=requests&measure=errors&by=model&last=30d"


def read_copies(page: str) -> dict[str, str]:
    found = re.findall(r'<p id="copy-\d">(.*?): <button[^>]* data-copy="([^"]*)"', page)
    return {unescape(name): unescape(copied) for name, copied in found}


@pytest.mark.parametrize(
    "filters",
    ["", "&where=team%21%3Dsearch", "&where=customer_id%3Dacme&where=status%5E%3Dsucc"],
    ids=["all", "negated", "prefix"],
)
def test_sql_gives_the_rows_of_the_page(demo_server: DemoServer, get: Get, filters: str) -> None:
    copies = read_copies(get(QUESTION + filters))
    statement = copies["In SQL, of the ledger's view v1_call"]

    with demo_server.store.engine.connect() as connection:
        rows = connection.exec_driver_sql(statement).all()

    curl = shlex.split(copies["From the REST API"])
    answer = json.loads(get(curl[1].removeprefix(demo_server.url)))
    expected = {
        row["model"]: (Decimal(row["cost_usd"] or 0), row["requests"], row["errors"])
        for row in answer["rows"]
    }
    found = {
        model: (round(Decimal(str(cost or 0)), 9), requests, errors)
        for model, cost, requests, errors in rows
    }
    assert found == expected


@pytest.mark.parametrize(
    "question",
    ["measure=requests&window=day", "measure=latency_p95_ms", "measure=requests&by=attr.feature"],
)
def test_what_the_view_cannot_answer_is_not_offered_as_sql(get: Get, question: str) -> None:
    copies = read_copies(get(f"/explore?{question}"))

    assert list(copies) == ["On the command line", "From the REST API"]
