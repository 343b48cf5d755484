"""`spantoll void`, `spantoll erase` and the audit of both."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest

from spantoll.records import UsageRecord
from tests.surfaces.conftest import Cli

Record = Callable[..., UsageRecord]
Stored = Callable[[Sequence[UsageRecord]], None]


def test_a_void_call_is_in_no_sum_and_in_the_audit(
    spantoll: Cli, stored: Stored, record: Record
) -> None:
    stored([record(), record()])

    ran = spantoll("void", "1", "--why", "a load test", "--by", "ann")
    usage = json.loads(spantoll("usage", "--format", "json").out)
    [event] = json.loads(spantoll("db", "audit", "--format", "json").out)

    assert (ran.status, ran.out) == (0, "record 1 is void: openai gpt-4o, cost $2.50\n")
    assert usage["totals"]["requests"] == 1
    assert event | {"at": ""} == {
        "at": "", "by": "ann", "action": "void", "record": 1, "records": 1, "why": "a load test",
    }  # fmt: skip
    assert "a load test" in spantoll("db", "audit").out


def test_an_erased_user_is_in_no_record_and_in_no_audit(
    spantoll: Cli, stored: Stored, record: Record
) -> None:
    stored([record(user_id="ann"), record(user_id="bob")])

    ran = spantoll("erase", "--user", "ann", "--yes")
    listed = spantoll("records", "--format", "json").out
    audit = spantoll("db", "audit", "--format", "csv").out

    assert ran.out == "1 records no longer name the user; their counts and costs stay\n"
    assert [each["user_id"] for each in json.loads(listed)] == ["bob", None]
    assert "erase" in audit
    assert "ann" not in audit


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        pytest.param(["void", "9", "--why", "x"], 1, "there is no record 9", id="no-record"),
        pytest.param(["void", "1", "--why", " "], 2, "give a reason", id="no-reason"),
        pytest.param(["void", "1"], 2, "--why", id="reason-missing"),
        pytest.param(["erase", "--user", "ann"], 2, "without --yes", id="not-confirmed"),
        pytest.param(["erase", "--user", "", "--yes"], 2, "give the id", id="nobody"),
    ],
)
def test_what_cannot_be_done_says_why(
    spantoll: Cli, stored: Stored, record: Record, arguments: list[str], status: int, says: str
) -> None:
    stored([record(user_id="ann")])

    ran = spantoll(*arguments)

    assert ran.status == status
    assert says in ran.err
    assert spantoll("db", "audit", "--format", "csv").out.count("\n") == 1


def test_how_many_records_would_change_is_said_before_they_do(
    spantoll: Cli, stored: Stored, record: Record
) -> None:
    stored([record(user_id="ann"), record(error_message="no such user ann"), record(user_id="bob")])

    ran = spantoll("erase", "--user", "ann")
    done = spantoll("erase", "--user", "ann", "--yes")
    nobody = spantoll("erase", "--user", "ann")

    assert "ann is not removed from 2 records of sqlite:" in ran.err
    assert done.out.startswith("2 records no longer")
    assert (nobody.status, "from 0 records of" in nobody.err) == (2, True)
