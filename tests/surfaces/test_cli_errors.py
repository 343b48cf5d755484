from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from spantoll.records import UsageRecord
from spantoll.storage import open_store
from spantoll.surfaces.cli import main
from tests.support.records import make_record

Cli = Callable[..., Any]
Write = Callable[[Sequence[UsageRecord]], None]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["usage", "--by", "modle"], "did you mean 'model'", id="dimension"),
        pytest.param(["usage", "--measure", "cots"], "did you mean 'cost'", id="measure"),
        pytest.param(["usage", "--where", "model"], "field=value", id="filter"),
        pytest.param(["usage", "--tz", "Europe/Berln"], "'Europe/Berlin'", id="zone"),
        pytest.param(["usage", "--window", "dya"], "did you mean 'day'", id="window"),
        pytest.param(["usage", "--last", "soon"], "7d", id="span"),
        pytest.param(["usage", "--from", "soon"], "2026-11-20", id="time"),
        pytest.param(["usage", "--last", "7d", "--to", "now"], "either last", id="period"),
        pytest.param(["usage", "--format", "xml"], "'csv'", id="format"),
        pytest.param(["usage", "--limit", "0"], "--limit", id="limit"),
        pytest.param(["records", "--after", "x"], "cursor", id="cursor"),
        pytest.param(["explain", "1", "--format", "csv"], "json", id="explanation-format"),
        pytest.param(["usage", "--colour"], "--colour", id="option"),
        pytest.param(["usge"], "did you mean 'usage'", id="command"),
    ],
)
def test_a_usage_error_is_one_line_and_status_two(
    spantoll: Cli, stored: Write, arguments: list[str], message: str
) -> None:
    stored([])

    ran = spantoll(*arguments)

    assert (ran.status, ran.out) == (2, "")
    assert re.search(re.escape(message), ran.err, re.IGNORECASE)
    assert (ran.err.startswith("spantoll: "), ran.err.count("\n")) == (True, 1)


@pytest.mark.parametrize(
    ("table", "arguments"),
    [
        ("reprice_run", ["reprice", "list"]),
        ("reprice_run", ["reprice", "undo", "1"]),
        ("reprice_change", ["reprice", "--yes"]),
        ("closed_period", ["reprice", "--dry-run"]),
        ("closed_period", ["periods", "list"]),
        ("closed_period", ["periods", "close", "2025-10"]),
        ("adjustment", ["periods", "adjustments"]),
        ("customer_price", ["customers", "list"]),
        ("customer_price", ["customers", "statement", "acme", "--month", "2025-10"]),
    ],
)
def test_an_error_of_the_database_is_one_line_and_status_one(
    spantoll: Cli, stored: Write, database: str, table: str, arguments: list[str]
) -> None:
    stored([make_record(request_model="gpt-4o")])
    store = open_store(database)
    with store.transaction() as connection:
        connection.execute(text(f"DROP TABLE {table}"))
    store.close()

    ran = spantoll(*arguments)

    assert ran.status == 1
    *interrupted, said = ran.err.splitlines()
    assert said == f"spantoll: {said.removeprefix('spantoll: ')}"
    assert f"no such table: {table}" in said
    assert interrupted in ([], ["Interrupted: `spantoll reprice resume 1` goes on."])


def test_reading_a_ledger_that_is_not_there_makes_none(spantoll: Cli, tmp_path: Path) -> None:
    ran = spantoll("usage")

    assert (ran.status, ran.out) == (1, "")
    assert "there is no ledger at" in ran.err
    assert "spantoll up" in ran.err
    assert not (tmp_path / "usage.db").exists()


def test_a_database_of_something_else_is_refused(spantoll: Cli, tmp_path: Path) -> None:
    (tmp_path / "usage.db").write_text("not a database at all, but long enough to be looked at" * 9)

    ran = spantoll("usage")

    assert ran.status != 0
    assert ran.err.count("\n") == 1


def test_an_unknown_kind_of_database_is_one_line(
    capfd: pytest.CaptureFixture[str],
) -> None:
    status = main(["usage", "--database", "oracle://host/db"])

    err = capfd.readouterr().err
    assert (status, err.count("\n")) == (2, 1)
    assert "sqlite://" in err


def test_a_wrong_settings_file_is_one_line(spantoll: Cli, tmp_path: Path) -> None:
    (tmp_path / "spantoll.toml").write_text('databse = "x"\n')

    ran = spantoll("usage")

    assert ran.status == 2
    assert "did you mean 'database'" in ran.err


def test_the_zone_of_the_settings_is_the_usual_one(
    spantoll: Cli, stored: Write, record: Callable[..., UsageRecord], tmp_path: Path
) -> None:
    (tmp_path / "spantoll.toml").write_text('tz = "Asia/Kathmandu"\n')
    stored([record()])

    assert "Asia/Kathmandu" in spantoll("usage").out
    assert "UTC" in spantoll("usage", "--tz", "UTC").out


def test_help_names_every_command(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0

    out = capfd.readouterr().out
    commands = ("up", "ingest", "usage", "records", "explain", "health", "doctor", "run", "version")
    assert [name for name in commands if not re.search(rf"\b{name}\b", out)] == []


@pytest.mark.parametrize("word", ["version", "--version", "-V"])
def test_version_says_which(word: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([word]) == 0

    assert re.fullmatch(r"spantoll \d+\.\d+\.\d+\S*\n", capfd.readouterr().out)


def test_run_without_a_program_is_a_usage_error(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["run"]) == 2

    assert "python app.py" in capfd.readouterr().err


def test_run_explains_itself(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--help"]) == 0

    assert "instrumented" in capfd.readouterr().out
