"""The example of `docs/customers.md`: its commands run, and what it works out by hand follows."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from spantoll.pipeline import Ledger
from spantoll.pipeline.event_records import price_calls
from spantoll.pipeline.usage_event import derive_ids, read_event
from spantoll.pipeline.user_pricing import load_user_card
from spantoll.storage import open_store
from tests.support.records import NOON_NS, stored_records

Cli = Callable[..., Any]

DOCUMENT = (Path(__file__).parents[2] / "docs" / "customers.md").read_text()
FILES = dict(re.findall(r"^```\w+ (\S+)\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL))
(COMMANDS,) = re.findall(r"^```sh\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
CALLS = re.findall(r"^\| \d \| (\S+) \| (\S+) \|", DOCUMENT, re.MULTILINE)
LINES = re.findall(r"^\| (usage|included|minimum) \| (\S+) \|$", DOCUMENT, re.MULTILINE)
MARKS = {"partial": "+", "estimated": "~", "unpriced": "", "priced": ""}


@pytest.fixture
def example(spantoll: Cli, database: str, tmp_path: Path) -> str:
    """Run the commands of the document and take in its usage; give the ledger."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    for command in COMMANDS.splitlines():
        assert spantoll(*shlex.split(command)[1:]).status == 0, command
    store = open_store(database)
    events = [json.loads(line) for line in FILES["usage.jsonl"].splitlines()]
    calls = [
        read_event(event, derive_ids(str(n)), now_ns=NOON_NS).call for n, event in enumerate(events)
    ]
    batch = price_calls(load_user_card(store.engine), calls, received_ns=NOON_NS, source="rest")
    Ledger(store).write(batch.records, rates=batch.rates)
    store.close()
    return database


def test_cost_and_revenue_are_those_worked_by_hand(example: str) -> None:
    store = open_store(example)
    ids = [derive_ids(str(n)) for n in range(len(CALLS))]
    records = {record.trace_id: record for record in stored_records(store.engine)}
    store.close()

    found = []
    for trace_id, _ in ids:
        record = records[trace_id]
        mark = MARKS[record.pricing_status]
        cost = "-" if record.cost_nano is None else f"{record.cost_nano}"
        revenue = "-" if record.revenue_nano is None else f"{record.revenue_nano}"
        found.append((f"{mark}{cost}" if mark == "~" else f"{cost}{mark}", revenue))

    assert len(CALLS) == 8
    assert found == CALLS


def test_statement_has_the_lines_worked_by_hand(spantoll: Cli, example: str) -> None:
    ran = spantoll(
        *("customers", "statement", "customer1", "--month", "2025-08", "--cost", "-f", "json")
    )

    statement = json.loads(ran.out)
    found = [
        (line["kind"], str(int(Decimal(line["revenue_usd"]).scaleb(9))))
        for line in statement["lines"]
    ]
    assert found == LINES
    assert statement["total_usd"] == "0.020000000"
    assert statement["lines"][0]["margin_usd"] == "0.002700000"


def test_statement_says_what_is_not_charged(spantoll: Cli, example: str) -> None:
    ran = spantoll("customers", "statement", "customer2", "--month", "2025-08")

    assert "$0.002100+" in ran.out
    assert "1 call not charged: no price for images" in ran.out


def test_statement_is_of_any_whole_months_and_in_any_currency_with_a_rate(
    spantoll: Cli, example: str
) -> None:
    def state(*options: str) -> dict[str, Any]:
        ran = spantoll("customers", "statement", "customer1", *options, "-f", "json")
        return json.loads(ran.out) if ran.status == 0 else {"refused": ran.err}

    assert "no exchange rate of EUR on 2025-08-30" in state(
        *("--month", "2025-08", "--currency", "eur")
    ).get("refused", "")
    spantoll("prices", "exchange", "EUR", "1.25")
    quarter = state("--period", "2025-Q3", "--currency", "eur")
    month = state("--from", "2025-08-01", "--to", "2025-09-01")

    assert [line["kind"] for line in month["lines"]] == [kind for kind, _ in LINES]
    assert [(line["kind"], line["item"][:7]) for line in quarter["lines"][1:]] == [
        ("minimum", "2025-07"),
        ("included", "2025-08"),
        ("minimum", "2025-08"),
        ("minimum", "2025-09"),
    ]
    assert (quarter["currency"], quarter["total_eur"]) == ("EUR", "0.048000000")
