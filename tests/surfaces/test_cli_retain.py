"""`spantoll db retain`: the plan, what is deleted, and what answers say afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest

from spantoll.records import UsageRecord
from tests.surfaces.conftest import Cli

Record = Callable[..., UsageRecord]
Stored = Callable[[Sequence[UsageRecord]], None]

OLD_NS, NEW_NS = 1_735_732_800 * 10**9, 1_738_411_200 * 10**9
"""2025-01-01T12:00:00Z and 2025-02-01T12:00:00Z"""


@pytest.fixture
def filled(stored: Stored, record: Record) -> None:
    stored([record(started_ns=time_ns) for time_ns in (OLD_NS, OLD_NS, NEW_NS)])


@pytest.mark.usefixtures("filled")
def test_a_dry_run_shows_the_plan_and_deletes_nothing(spantoll: Cli) -> None:
    ran = spantoll("db", "retain", "--before", "2025-01-31", "--dry-run")

    assert ran.status == 0
    assert ran.out.startswith(
        "2 records from 2025-01-01 (UTC) to 2025-01-01 (UTC), all before 2025-01-31 (UTC), are"
    )
    assert "Lists of records" in ran.out
    assert "deleted;" not in ran.out
    assert len(json.loads(spantoll("records", "--format", "json").out)) == 3


@pytest.mark.usefixtures("filled")
def test_what_is_deleted_stays_in_sums_with_a_note(spantoll: Cli) -> None:
    ran = spantoll("db", "retain", "--keep", "1d", "--by", "ann")
    usage = spantoll("usage", "--measure", "requests")
    by_session = spantoll("usage", "--by", "session_id", "--measure", "requests", "--format", "csv")
    audit = spantoll("db", "audit", "--format", "json")
    verified = spantoll("db", "verify")

    assert "2 records deleted; 0 stay" in ran.out
    assert "comes from roll-ups, and is exact." in usage.out
    assert "3" in usage.out.split()
    assert "calls before" in by_session.err
    [event] = json.loads(audit.out)
    assert (event["action"], event["by"], event["records"]) == ("retain", "ann", 2)
    assert "not compared" in verified.out


REFUSED = {
    "neither": ([], "give one of them"),
    "both": (["--keep", "1d", "--before", "2025-01-31"], "give one of them"),
    "the last day": (["--keep", "23h"], "last 24 hours"),
    "no period": (["--keep", "for ever"], "keep"),
}


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(("options", "problem"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_to_be_understood_deletes_nothing(
    spantoll: Cli, options: list[str], problem: str
) -> None:
    ran = spantoll("db", "retain", *options)

    assert ran.status == 2
    assert problem in ran.err
    assert "not compared" not in spantoll("db", "verify").out


@pytest.mark.usefixtures("filled")
def test_nothing_to_delete_is_said(spantoll: Cli) -> None:
    ran = spantoll("db", "retain", "--before", "2024-12-31")

    assert ran.out == "No records to delete before 2024-12-31 (UTC).\n"
