from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from spantoll.records import UsageRecord

Cli = Callable[..., Any]
Write = Callable[[Sequence[UsageRecord]], None]
Make = Callable[..., UsageRecord]

DOCS = (Path(__file__).parents[2] / "docs" / "reconcile.md").read_text()
HEADER = "date,model,metric,quantity,amount_usd\n"


@pytest.fixture
def bill(tmp_path: Path) -> Callable[[str], str]:
    """Write a generic bill, and give its path."""

    def write(rows: str) -> str:
        path = tmp_path / "bill.csv"
        path.write_text(HEADER + rows)
        return str(path)

    return write


@pytest.mark.parametrize(
    ("amount", "threshold", "status"),
    [
        pytest.param("2.5", "0", 0, id="equal"),
        pytest.param("2.51", "1%", 0, id="within"),
        pytest.param("2.51", "0.01", 0, id="share"),
        pytest.param("2.51", "0.1%", 1, id="beyond"),
    ],
)
def test_the_status_says_whether_the_bill_is_within_the_threshold(
    spantoll: Cli,
    stored: Write,
    record: Make,
    bill: Callable[[str], str],
    amount: str,
    threshold: str,
    status: int,
) -> None:
    stored([record()])

    ran = spantoll(
        "reconcile", "openai", bill(f"2026-11-20,gpt-4o,,,{amount}\n"), "--threshold", threshold
    )

    assert ran.status == status
    assert f"{'Beyond' if status else 'Within'} the threshold" in ran.out


def test_json_and_csv_carry_the_same_lines(
    spantoll: Cli, stored: Write, record: Make, bill: Callable[[str], str]
) -> None:
    stored([record(input_tokens=100, output_tokens=0)])
    path = bill("2026-11-20,gpt-4o,uncached_input_tokens,200,5\n")

    shown = json.loads(spantoll("reconcile", "openai", path, "--format", "json").out)
    rows = list(csv.DictReader(io.StringIO(spantoll("reconcile", "openai", path, "-f", "csv").out)))

    assert (shown["within"], shown["bill_usd"], shown["ledger_usd"]) == (False, "5", "2.5")
    assert (shown["cost_difference"], shown["usage_difference"]) == ("0.500000", "0.500000")
    assert shown["lines"][0]["quantities"] == {
        "uncached_input_tokens": {"bill": "200", "ledger": "100"}
    }
    (row,) = rows
    assert (row["coverage"], row["drift_usd"], row["causes"]) == (
        "0.500000",
        "-2.5",
        "missing_calls",
    )


def test_a_ledger_without_calls_says_so_and_every_amount_is_drift(
    spantoll: Cli, stored: Write, bill: Callable[[str], str]
) -> None:
    stored([])

    ran = spantoll("reconcile", "openai", bill("2026-11-20,gpt-4o,,,4\n"))

    assert ran.status == 1
    assert "no calls of openai from 2026-11-20 to 2026-11-20: `spantoll usage" in ran.err
    assert re.search(r"gpt-4o +- +\$4\.00 +- +-\$4\.00 +-100\.00% +no_calls", ran.out)


@pytest.mark.parametrize(
    ("rows", "arguments", "message"),
    [
        pytest.param("2026-11-20,m,,,x\n", [], "row 2, column amount_usd: 'x'", id="number"),
        pytest.param("", [], "bill.csv: has no rows", id="empty"),
        pytest.param("2026-11-20,m,,,1\n", ["--threshold", "much"], "threshold 'much'", id="share"),
        pytest.param("2026-11-20,m,,,1\n", ["--alias", "m"], "write BILL=LEDGER", id="alias"),
        pytest.param("2026-11-20,m,,,1\n", ["--tz", "Mars/Base"], "unknown tz", id="zone"),
        pytest.param(
            "2026-11-20,m,,,1\n", ["--from", "2026-11-20T12:00"], "whole days", id="half-a-day"
        ),
        pytest.param(
            "2026-11-20,m,,,1\n", ["--from", "2026-12-01"], "no rows in this period", id="period"
        ),
        pytest.param(
            "2026-11-20,m,,,1\n",
            ["--from", "2026-11-21", "--to", "2026-11-20"],
            "from must be before to",
            id="order",
        ),
    ],
)
def test_bad_input_is_one_line_and_status_two(
    spantoll: Cli,
    stored: Write,
    bill: Callable[[str], str],
    rows: str,
    arguments: list[str],
    message: str,
) -> None:
    stored([])

    ran = spantoll("reconcile", "openai", bill(rows), *arguments)

    assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert message in ran.err


def test_an_alias_names_the_model_of_the_ledger(
    spantoll: Cli, stored: Write, record: Make, bill: Callable[[str], str]
) -> None:
    stored([record(provider="aws.bedrock", model="meta.llama3-3-70b-instruct-v1:0")])
    path = bill("2026-11-20,Llama3-3-70B,,,2.5\n")

    without = spantoll("reconcile", "bedrock", path)
    with_alias = spantoll(
        "reconcile", "bedrock", path, "--alias", "Llama3-3-70B=meta.llama3-3-70b-instruct-v1:0"
    )

    assert (without.status, with_alias.status) == (1, 0)


def test_the_example_of_the_documentation_is_what_it_prints(
    spantoll: Cli, stored: Write, record: Make, tmp_path: Path
) -> None:
    blocks = re.findall(r"```text\n(.*?)```", DOCS, re.DOTALL)
    costs, usage, printed = (block.strip("\n") for block in blocks)
    (tmp_path / "costs.csv").write_text(costs + "\n")
    (tmp_path / "usage.csv").write_text(usage + "\n")
    stored(
        [
            record(
                model="gpt-4o-2024-08-06",
                requests=400,
                input_tokens=3_220_000,
                cache_read_tokens=720_000,
                output_tokens=400_000,
                cost_nano=11_150_000_000,
            ),
            record(
                model="gpt-4o-mini-2024-07-18",
                requests=80,
                input_tokens=4_000_000,
                output_tokens=0,
                cost_nano=600_000_000,
            ),
            record(
                model="o3-2025-04-16",
                requests=90,
                input_tokens=900_000,
                output_tokens=90_000,
                cost_nano=2_520_000_000,
            ),
        ]
    )

    ran = spantoll("reconcile", "openai", "costs.csv", "usage.csv")

    command, _, rest = printed.partition("\n")
    assert command == "$ spantoll reconcile openai costs.csv usage.csv"
    assert ran.status == 1
    assert [line.rstrip() for line in ran.out.splitlines()] == rest.splitlines()
