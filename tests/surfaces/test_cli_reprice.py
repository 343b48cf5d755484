"""`spantoll reprice`: what it shows before anything changes, and what it says it did."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import partial

import pytest
from sqlalchemy import create_engine, select, update

from spantoll.records import UsageRecord, usage_record
from spantoll.storage.tables import reprice_run
from tests.surfaces.conftest import Cli

Record = Callable[..., UsageRecord]
Stored = Callable[[Sequence[UsageRecord]], None]


@pytest.fixture
def ledger(stored: Stored, record: Record) -> None:
    """Three calls that the catalogue prices otherwise: one has no price, one is not counted."""
    named = partial(record, request_model="gpt-4o", output_tokens=0)
    stored(
        [
            named(input_tokens=2_000_000, customer_id="acme", cost_nano=10**9),
            named(input_tokens=4_000_000, pricing_status="unpriced"),
            named(input_tokens=4_000_000, counted=False, cost_nano=1),
        ]
    )


@pytest.fixture
def costs(database: str) -> Callable[[], list[int | None]]:
    def read() -> list[int | None]:
        engine = create_engine(database)
        with engine.connect() as connection:
            found = connection.scalars(select(usage_record.c.cost_nano).order_by("id")).all()
        engine.dispose()
        return list(found)

    return read


@pytest.mark.usefixtures("ledger")
def test_a_dry_run_shows_old_and_new_and_changes_nothing(
    spantoll: Cli, costs: Callable[[], list[int | None]]
) -> None:
    before = costs()

    ran = spantoll("reprice", "--dry-run")

    assert ran.status == 0
    lines = [line.split() for line in ran.out.splitlines()]
    assert ["openai", "gpt-4o", "2", "$1.00+", "$15.00", "$14.00"] in lines
    assert ["acme", "1", "$1.00", "$5.00", "$4.00"] in lines
    assert ["2026-11-20", "2", "$1.00+", "$15.00", "$14.00"] in lines
    assert "1 records had no price and get one." in ran.out
    assert costs() == before


@pytest.mark.usefixtures("ledger")
def test_changes_are_applied_listed_and_undone(
    spantoll: Cli, costs: Callable[[], list[int | None]]
) -> None:
    before = costs()

    applied = spantoll("reprice", "--model", "gpt-4o", "--yes", "--by", "ann")
    after = costs()
    listed = json.loads(spantoll("reprice", "list", "--format", "json").out)
    undone = spantoll("reprice", "undo", "1")

    assert (applied.status, undone.status) == (0, 0)
    assert "$1.00+ became $15.00. `spantoll reprice undo 1` restores it." in applied.err
    assert after == [5 * 10**9, 10 * 10**9, 10 * 10**9]
    (run,) = listed
    assert (run["state"], run["done_by"], run["selection"]) == (
        "finished",
        "ann",
        {"model": "gpt-4o"},
    )
    assert (run["old_cost_usd"], run["new_cost_usd"]) == ("1.000000000", "15.000000000")
    assert "Run 1 is undone" in undone.err
    assert costs() == before


@pytest.mark.usefixtures("ledger")
def test_nothing_changes_without_a_confirmation(
    spantoll: Cli, costs: Callable[[], list[int | None]]
) -> None:
    before = costs()

    ran = spantoll("reprice")

    assert ran.status == 2
    assert "--yes" in ran.err
    assert costs() == before


@pytest.mark.usefixtures("ledger")
def test_a_second_run_finds_nothing_to_change(spantoll: Cli) -> None:
    spantoll("reprice", "--yes")

    ran = spantoll("reprice", "--yes")

    assert (ran.status, ran.out) == (0, "3 records looked at, 0 would change.\n")
    assert len(json.loads(spantoll("reprice", "list", "-f", "json").out)) == 1


@pytest.mark.usefixtures("ledger")
def test_json_has_every_customer_and_day(spantoll: Cli) -> None:
    answer = json.loads(spantoll("reprice", "--dry-run", "--format", "json").out)

    assert (answer["examined"], answer["changed"], answer["uncounted"]) == (3, 3, 1)
    assert [each["customer"] for each in answer["by_customer"]] == ["acme", "-"]
    assert answer["total"]["difference_usd"] == "14.000000000"


def test_a_preview_says_what_becomes_of_revenue(
    spantoll: Cli, stored: Stored, record: Record
) -> None:
    stored([record(request_model="gpt-4o", input_tokens=2_000_000, revenue_nano=7 * 10**9)])

    ran = spantoll("reprice", "--dry-run")

    assert "Revenue: $7.00 becomes $7.00." in ran.out


def test_a_preview_shows_an_unknown_cost_as_unknown_and_not_as_zero(
    spantoll: Cli, stored: Stored, record: Record
) -> None:
    unpriced = record(
        request_model="gpt-4o",
        input_tokens=2_000_000,
        output_tokens=0,
        pricing_status="unpriced",
        pricing_reason="unknown_model",
        cost_nano=None,
        customer_id="acme",
    )
    priced = unpriced._replace(
        span_id=bytes(range(8)), customer_id="globex", pricing_status="priced", cost_nano=10**9
    )
    stored([unpriced, priced])

    table = spantoll("reprice", "--dry-run").out
    answer = json.loads(spantoll("reprice", "--dry-run", "--format", "json").out)

    assert re.search(r"^acme +1 +- +\$5\.00 +\$5\.00$", table, re.MULTILINE)
    assert re.search(r"^globex +1 +\$1\.00 +\$5\.00 +\$4\.00$", table, re.MULTILINE)
    assert re.search(r"^total +2 +\$1\.00\+ +\$10\.00 +\$9\.00$", table, re.MULTILINE)
    by_customer = {each["customer"]: each["old_cost_usd"] for each in answer["by_customer"]}
    assert by_customer == {"acme": None, "globex": "1.000000000"}
    assert (answer["total"]["old_unpriced"], answer["total"]["new_unpriced"]) == (1, 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("undo", "9"), "there is no run 9"),
        (("resume", "9"), "there is no run 9"),
    ],
)
@pytest.mark.usefixtures("ledger")
def test_a_run_that_is_not_there_is_named(
    spantoll: Cli, arguments: tuple[str, ...], said: str
) -> None:
    ran = spantoll("reprice", *arguments)

    assert ran.status == 1
    assert said in ran.err


def test_a_run_shows_an_unknown_cost_as_unknown_and_marks_a_partial_one(
    spantoll: Cli, stored: Stored, record: Record
) -> None:
    named = partial(record, request_model="gpt-4o", output_tokens=0, input_tokens=2_000_000)
    unpriced = named(pricing_status="unpriced", pricing_reason="unknown_model", cost_nano=None)
    stored([unpriced, named(pricing_status="partial", cost_nano=10**9, customer_id="acme")])

    preview = spantoll("reprice", "--dry-run").out
    first = spantoll("reprice", "--status", "unpriced", "--yes")
    second = spantoll("reprice", "--yes")
    table = spantoll("reprice", "list").out.splitlines()
    newest, oldest = json.loads(spantoll("reprice", "list", "--format", "json").out)

    assert re.search(r"^acme +1 +\$1\.00\+ +\$5\.00 +\$4\.00$", preview, re.MULTILINE)
    assert "- became $5.00." in first.err
    assert "$1.00+ became $5.00." in second.err
    assert re.search(r" 1 +\$1\.00\+ +\$5\.00 +0", table[1])
    assert re.search(r" 1 +- +\$5\.00 +0", table[2])
    assert (oldest["old_cost_usd"], oldest["old_incomplete"]) == (None, 1)
    assert (newest["old_cost_usd"], newest["old_incomplete"]) == ("1.000000000", 1)
    assert (newest["new_cost_usd"], newest["new_incomplete"]) == ("5.000000000", 0)


def test_a_run_of_an_earlier_version_does_not_show_what_it_did_not_count(
    spantoll: Cli, stored: Stored, record: Record, database: str
) -> None:
    named = partial(record, request_model="gpt-4o", output_tokens=0, input_tokens=2_000_000)
    stored([named(pricing_status="unpriced", pricing_reason="unknown_model", cost_nano=None)])
    spantoll("reprice", "--yes")
    engine = create_engine(database)
    with engine.begin() as connection:
        counts = ("old_known", "new_known", "old_incomplete", "new_incomplete")
        connection.execute(update(reprice_run).values(dict.fromkeys(counts)))
    engine.dispose()

    table = spantoll("reprice", "list").out.splitlines()

    assert re.search(r" 1 +- +\$5\.00\+ +0", table[1])
