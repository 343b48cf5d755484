from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from spantoll.query import QUESTIONS, record_parts
from spantoll.records import UsageRecord
from tests.support.records import NOON_NS

Cli = Callable[..., Any]
Make = Callable[..., UsageRecord]
Write = Callable[[Sequence[UsageRecord]], None]

DAY_NS = 24 * 3600 * 10**9


def cells(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_top_names_the_largest_and_adds_up_the_others(
    spantoll: Cli, stored: Write, record: Make
) -> None:
    stored([record(model=f"m{i}", cost_nano=i * 10**9) for i in range(1, 6)])

    ran = spantoll("top", "model", "-n", "2", "--measure", "cost")

    assert cells(ran.out)[:5] == [
        ["model", "cost_usd"],
        ["m5", "$5.00"],
        ["m4", "$4.00"],
        ["others", "$6.00"],
        ["total", "$15.00"],
    ]


def test_top_marks_the_others_in_csv(spantoll: Cli, stored: Write, record: Make) -> None:
    stored([record(model=f"m{i}", cost_nano=i * 10**9) for i in range(1, 4)])

    found = csv.DictReader(io.StringIO(spantoll("top", "model", "-n", "1", "-f", "csv").out))

    assert [(row["model"], row["others"], row["requests"]) for row in found] == [
        ("m3", "false", "1"),
        ("", "true", "2"),
    ]


def test_growth_shows_now_before_difference_and_share(
    spantoll: Cli, stored: Write, record: Make
) -> None:
    stored(
        [
            record(model="a", cost_nano=3 * 10**9),
            record(model="a", cost_nano=2 * 10**9, started_ns=NOON_NS - 30 * DAY_NS),
            record(model="b", pricing_status="estimated", cost_nano=10**9),
        ]
    )

    ran = spantoll(
        "growth", "--by", "model", "--measure", "cost", "--from", "2026-11-01", "--to", "2026-12-01"
    )

    assert cells(ran.out)[1:4] == [
        ["a", "$3.00", "$2.00", "+$1.00", "+50.0%"],
        ["b", "~$1.00", "$0.00", "+$1.00", "-"],
        ["total", "~$4.00", "$2.00", "+$2.00", "+100.0%"],
    ]
    assert "Before: From 2026-10-01 00:00 to 2026-11-01 00:00, UTC" in ran.out


def test_the_forecast_of_a_month_says_its_rule_and_why_it_is_unknown(
    spantoll: Cli, stored: Write, record: Make
) -> None:
    stored([record(started_ns=1)])

    known = spantoll("forecast")
    unknown = spantoll("forecast", "--where", "model=other")

    assert cells(known.out)[1][1:3] == ["-", "~$0.00"]
    assert cells(known.out)[1][-1] == "~$0.00"
    assert "An estimate: what the month has cost until now, plus the mean" in known.out
    assert cells(unknown.out)[1][-1] == "-"
    assert "It is unknown: there are fewer than 7 whole days since the first call." in unknown.out


@pytest.mark.parametrize("form", ["json", "csv"])
def test_a_forecast_is_data_too(spantoll: Cli, stored: Write, record: Make, form: str) -> None:
    stored([record(started_ns=1)])

    out = spantoll("forecast", "-f", form).out
    shown = json.loads(out) if form == "json" else next(csv.DictReader(io.StringIO(out)))

    assert Decimal(shown["forecast_cost_usd"]) == 0
    assert not shown["reason"]


@pytest.mark.parametrize("form", ["json", "csv"])
def test_growth_is_data_too(spantoll: Cli, stored: Write, record: Make, form: str) -> None:
    stored([record(), record(started_ns=NOON_NS - DAY_NS, cost_nano=5 * 10**9)])

    ran = spantoll(
        "growth", "--window", "day", "--from", "2026-11-20", "--to", "2026-11-21", "-f", form
    )

    if form == "json":
        (row,) = json.loads(ran.out)["rows"]
    else:
        (row,) = csv.DictReader(io.StringIO(ran.out))
    assert (row["cost_usd"], row["cost_usd_before"]) == ("2.500000000", "5.000000000")
    assert Decimal(str(row["cost_usd_growth"])) == Decimal("-0.5")
    assert (row["cost_state"], row["cost_state_before"]) == ("exact", "exact")


def test_growth_without_a_beginning_is_refused(spantoll: Cli, stored: Write) -> None:
    stored([])

    ran = spantoll("growth", "--to", "2026-11-21")

    assert (ran.status, "growth needs a period" in ran.err) == (2, True)


def test_user_shows_the_most_called_model_first(spantoll: Cli, stored: Write, record: Make) -> None:
    stored(
        [
            record(user_id="ann", model="dear"),
            *(record(user_id="ann", model="often", cost_nano=1) for _ in range(2)),
            record(user_id="bob"),
        ]
    )

    ran = spantoll("user", "ann", "--from", "2026-11-01")

    assert [line[:2] for line in cells(ran.out)[1:4]] == [
        ["often", "2"],
        ["dear", "1"],
        ["total", "3"],
    ]


def test_ask_lists_its_questions(spantoll: Cli) -> None:
    ran = spantoll("ask")

    assert [line[0] for line in cells(ran.out)] == list(QUESTIONS)


def test_ask_answers_one_and_knows_what_was_meant(
    spantoll: Cli, stored: Write, record: Make
) -> None:
    stored([record(), record(provider="anthropic", status="error")])

    answer = spantoll("ask", "error-rate-by-provider")
    wrong = spantoll("ask", "error_rate_by_providr")

    assert cells(answer.out)[1] == ["anthropic", "1", "1", "0", "100.0%"]
    assert (wrong.status, "error_rate_by_provider" in wrong.err) == (2, True)


def test_an_export_has_every_record_however_many_parts_it_is_read_in(
    spantoll: Cli, stored: Write, record: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_parts, "PART", 20)
    stored([record(started_ns=NOON_NS - i // 3, model=f"m{i}") for i in range(61)])

    table = list(csv.DictReader(io.StringIO(spantoll("records", "-f", "csv").out)))
    lines = [json.loads(line) for line in spantoll("records", "-f", "jsonl").out.splitlines()]
    some = spantoll("records", "-f", "jsonl", "--limit", "45").out.splitlines()

    assert sorted(row["model"] for row in table) == sorted(f"m{i}" for i in range(61))
    assert [row["id"] for row in table] == [str(row["id"]) for row in lines]
    assert [json.loads(line)["id"] for line in some] == [row["id"] for row in lines[:45]]


def test_an_export_of_nothing_is_only_a_header(spantoll: Cli, stored: Write) -> None:
    stored([])

    assert len(spantoll("records", "-f", "csv").out.splitlines()) == 1
    assert spantoll("records", "-f", "jsonl").out == ""


@pytest.mark.parametrize("nano", [0, 1, -1, 10**9, -1_500_000_000, 2**63 - 1, -(2**63)])
def test_money_of_a_record_is_exact(spantoll: Cli, stored: Write, record: Make, nano: int) -> None:
    stored([record(cost_nano=nano)])

    (line,) = spantoll("records", "-f", "jsonl").out.splitlines()

    assert Decimal(json.loads(line)["cost_usd"]) == Decimal(nano).scaleb(-9)


def test_models_are_what_top_shows_unless_another_is_named(
    spantoll: Cli, stored: Write, record: Make
) -> None:
    stored([record(model="o3"), record(model="o3"), record(model="gpt-4o")])

    rows = json.loads(spantoll("top", "--format", "json").out)["rows"]

    assert [row["model"] for row in rows] == ["o3", "gpt-4o"]


@pytest.mark.parametrize("command", [["top"], ["growth"], ["user", "ann"], ["ask", "performance"]])
def test_a_ledger_without_calls_says_so(spantoll: Cli, stored: Write, command: list[str]) -> None:
    stored([])

    ran = spantoll(*command)

    assert ran.status == 0
    assert "No calls in" in ran.out + ran.err


def test_what_failed_calls_cost_is_known_where_they_report_tokens(
    spantoll: Cli, stored: Write, record: Make
) -> None:
    failed = partial(record, model="gpt-4o", status="error", error_type="rate_limit")
    nothing = {"cost_nano": None, "pricing_status": "unpriced", "pricing_reason": "no_usage"}
    stored([record(model="gpt-4o"), failed(), failed(**nothing), failed(model="o3", **nothing)])

    table = spantoll("ask", "cost_by_outcome", "--where", "status!=success").out.splitlines()
    usage = spantoll("usage", "--by", "model", "--where", "status!=success").out.splitlines()

    rows = [line.split() for line in table[1:4]]
    assert [(row[1], row[2], row[3], row[4], row[-1]) for row in rows[:2]] == [
        ("gpt-4o", "error", "rate_limit", "2", "$2.50+"),
        ("o3", "error", "rate_limit", "1", "-"),
    ]
    assert rows[2][-1] == "$2.50+"
    assert [line.split()[0] for line in usage[1:3]] == ["gpt-4o", "o3"]
    assert [line.split()[-1] for line in usage[1:3]] == ["$2.50+", "-"]
