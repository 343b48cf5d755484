"""Downloads of the cards: they hold what the page shows, and what its limits leave out."""

from __future__ import annotations

import csv
import io
import json
import re
import urllib.request
from decimal import Decimal
from html import unescape

import openpyxl
import pytest

from tests.surfaces.conftest import DemoServer
from tests.surfaces.dashboard.conftest import Get

PERIOD = "from=2026-10-23&to=2026-11-22&where=provider%3Dopenai"


def find_downloads(page: str) -> dict[str, str]:
    """Return the address of each file that a page offers."""
    found = re.findall(r'<a href="([^"]*)" download="([^"]*)"', page)
    return {name: unescape(address) for address, name in found}


@pytest.mark.parametrize("card", ["by-provider", "by-model", "by-customer", "by-team", "by-hour"])
def test_rows_of_a_card_add_up_to_the_page(get: Get, card: str) -> None:
    page = get(f"/?{PERIOD}")
    downloads = find_downloads(page)

    rows = list(csv.DictReader(io.StringIO(get(downloads[f"{card}.csv"]))))
    answer = json.loads(get(downloads[f"{card}.json"]))

    shown = re.search(r'data-measure="requests"><a [^>]*>([\d,]+)<', page)
    assert shown
    assert sum(int(row["requests"]) for row in rows) == int(shown[1].replace(",", ""))
    cost = sum(Decimal(row["cost_usd"] or 0) for row in rows)
    assert cost == Decimal(answer["totals"]["cost_usd"])


@pytest.mark.parametrize("path", ["/", "/customers"])
def test_every_download_of_a_card_answers(get: Get, path: str) -> None:
    downloads = find_downloads(get(f"{path}?{PERIOD}"))

    answers = {
        name: json.loads(get(link)) for name, link in downloads.items() if name.endswith(".json")
    }
    assert answers
    assert all("totals" in answer for answer in answers.values())


def test_the_workbook_has_a_sheet_for_each_card_and_says_what_it_is_of(
    demo_server: DemoServer, get: Get
) -> None:
    address = find_downloads(get(f"/?{PERIOD}"))["overview.xlsx"]

    with urllib.request.urlopen(demo_server.url + address, timeout=60) as answer:
        book = openpyxl.load_workbook(io.BytesIO(answer.read()), read_only=True)

    rows = {name: list(book[name].iter_rows(values_only=True)) for name in book.sheetnames}
    book.close()
    headers, *models = rows["By model"]
    totals = dict(zip(*rows["Totals"], strict=True))
    about = dict(row[:2] for row in rows["About"])
    assert list(rows) == [
        *("Totals", "Cost and outcomes by day", "Latency by day", "Cost by day and model"),
        *("By hour", "By provider", "By model", "By customer", "By team", "About"),
    ]
    assert sum(row[headers.index("requests")] for row in models) == totals["requests"]
    assert (about["filters"], about["time zone"]) == ("provider = openai", "UTC")
