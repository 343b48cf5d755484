"""`spantoll customers`: rows by options and files, listed, ended, exported."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from spantoll.records import UsageRecord

Cli = Callable[..., Any]
Make = Callable[..., UsageRecord]
Write = Callable[[Sequence[UsageRecord]], None]


def listed(spantoll: Cli) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = json.loads(spantoll("customers", "list", "-f", "json").out)
    return rows


def test_set_adds_a_row_and_says_what_it_means(spantoll: Cli) -> None:
    ran = spantoll(
        *("customers", "set", "acme", "--markup-percent", "30", "--model", "gpt-4o"),
        *("--from", "2026-10-01", "--tz", "Europe/Berlin"),
    )

    assert ran.status == 0
    assert ran.out == (
        "row 1: markup 30 %, customer acme, model gpt-4o, from 2026-09-30T22:00:00+00:00\n"
    )
    assert listed(spantoll)[0]["markup"] == "0.3"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--markup-percent", "0.3"], "ambiguous: 0.3 % or 30 %?"),
        (["--markup-percent", "30", "--minimum", "5"], "give one of"),
        (["--price", "5", "--per", "1M"], "fixed is for a unit"),
        (["--markup", "0.1"], "overlaps row 1: markup 30 %, customer acme, from the beginning"),
    ],
)
def test_row_that_cannot_be_added_is_one_line_and_status_2(
    spantoll: Cli, options: list[str], message: str
) -> None:
    spantoll("customers", "set", "acme", "--markup-percent", "30")

    ran = spantoll("customers", "set", "acme", *options)

    assert (ran.status, ran.out) == (2, "")
    assert message in ran.err
    assert len(listed(spantoll)) == 1


def test_ended_row_makes_room_for_the_next(spantoll: Cli) -> None:
    spantoll("customers", "set", "acme", "--markup-percent", "30")

    ended = spantoll("customers", "end", "1", "--at", "2026-10-01")
    following = spantoll(
        "customers", "set", "acme", "--markup-percent", "40", "--from", "2026-10-01"
    )

    assert ended.out.endswith("from the beginning to 2026-10-01\n")
    assert "`spantoll reprice --from 2026-10-01`" in following.err
    assert [row["markup_percent"] for row in listed(spantoll)] == ["30", "40"]


@pytest.mark.parametrize("format", ["csv", "json"])
def test_export_is_what_import_reads(spantoll: Cli, tmp_path: Path, format: str) -> None:
    spantoll("customers", "set", "acme", "--markup-percent", "250")
    spantoll("customers", "set", "*", "--unit", "audio_minutes", "--price", "0.01", "--per", "1")
    exported = spantoll("customers", "export", "-f", format).out
    file = tmp_path / "rows"
    file.write_text(exported)

    again = spantoll("customers", "import", str(file))

    assert again.status == 0
    assert "2 rows of them: there already" in again.err
    assert len(listed(spantoll)) == 2


def test_import_adds_all_rows_or_none(spantoll: Cli, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("customer,markup_percent\nacme,30\nother,20\nacme,10\n")

    ran = spantoll("customers", "import", str(file))

    assert ran.status == 2
    assert "overlaps row 1" in ran.err
    assert listed(spantoll) == []


def test_list_is_a_table_of_the_columns_in_use(spantoll: Cli) -> None:
    spantoll("customers", "set", "acme", "--markup-percent", "30")
    spantoll("customers", "set", "other", "--minimum", "5", "--currency", "eur")

    lines = spantoll("customers", "list", "--customer", "other").out.splitlines()

    assert lines[0].split()[:3] == ["id", "customer", "provider"]
    assert "EUR" in lines[1]
    assert len(lines) == 2


def test_rows_of_the_file_are_listed_and_not_exported(spantoll: Cli, tmp_path: Path) -> None:
    (tmp_path / "spantoll.toml").write_text('[[customers]]\ncustomer = "acme"\nmarkup = 0.3\n')
    spantoll("customers", "set", "globex", "--markup", "0.2")

    refused = spantoll("customers", "set", "acme", "--markup", "0.1")
    rows = listed(spantoll)
    exported = spantoll("customers", "export").out

    assert (refused.status, "overlaps spantoll.toml customers[1]" in refused.err) == (2, True)
    assert [(row["customer"], row.get("id")) for row in rows] == [("globex", "1"), ("acme", None)]
    assert "acme" not in exported
    shown = json.loads(spantoll("config", "show", "--origin", "-f", "json").out)
    assert {"name": "customers", "value": "1 rows", "origin": "spantoll.toml"} in shown


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--from", "2025-08-01", "--to", "2025-08-15"], "is for a calendar month"),
        (["--from", "2025-08-01"], "or both from and to"),
        (["--month", "2025-08", "--currency", "EUR"], "no exchange rate of EUR on 2025-08-01"),
    ],
)
def test_statement_that_cannot_be_made_is_one_line_and_status_2(
    spantoll: Cli, options: list[str], message: str
) -> None:
    spantoll("customers", "set", "acme", "--minimum", "50")

    ran = spantoll("customers", "statement", "acme", *options)

    assert (ran.status, ran.out) == (2, "")
    assert message in ran.err


def test_statement_of_the_table_names_its_currency(spantoll: Cli) -> None:
    spantoll("customers", "set", "acme", "--minimum", "50", "--currency", "EUR")
    spantoll("prices", "exchange", "EUR", "1.25")

    ran = spantoll(
        *("customers", "statement", "acme", "--period", "2025-Q1", "--currency", "EUR", "--cost")
    )

    assert "revenue_eur" in ran.out
    lines = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert "total 0 150.00 EUR 0.00 EUR 150.00 EUR 0" in lines
    assert lines[-1] == "No call of the period names the customer 'acme'."


def test_a_statement_does_not_take_a_call_without_a_known_cost_for_free(
    spantoll: Cli, stored: Write, record: Make
) -> None:
    call = partial(record, customer_id="acme", revenue_nano=3 * 10**9)
    stored([call(), call(cost_nano=None, pricing_status="unpriced", rate_id=None)])
    asked = ("customers", "statement", "acme", "--month", "2026-11")

    table = spantoll(*asked, "--cost").out
    plain = spantoll(*asked).out
    answer = json.loads(spantoll(*asked, "--cost", "-f", "json").out)

    assert "total 2 $6.00 $2.50+ ~$3.50 1" in [" ".join(row.split()) for row in table.splitlines()]
    assert "The cost of 1 call is not known, or only in part" in table
    assert "cost of" not in plain
    assert (answer["requests_without_cost"], answer["lines"][0]["requests_without_cost"]) == (1, 1)
