"""`spantoll periods`: what closing a month says, and where adjustments are shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

import pytest

from spantoll.records import UsageRecord
from tests.surfaces.conftest import Cli

Record = Callable[..., UsageRecord]
Stored = Callable[[Sequence[UsageRecord]], None]


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


OCTOBER_NS = ns("2025-10-15T12:00")
CLOSE = ("periods", "close", "2025-10", "--tz", "Europe/Berlin", "--by", "ann")


def test_closing_says_the_sums_that_stay(spantoll: Cli, stored: Stored, record: Record) -> None:
    # 23:30 UTC on the last of September is October in Berlin.
    edges = [record(started_ns=time) for time in (ns("2025-09-30T23:30"), ns("2025-10-31T23:30"))]
    unpriced = record(started_ns=OCTOBER_NS, pricing_status="unpriced")
    stored([*edges, unpriced])

    ran = spantoll(*CLOSE)

    assert ran.out.splitlines() == [
        "Closed 2025-10 (Europe/Berlin): 2 calls, $2.50+.",
        "1 of them have no price: one they get later is an adjustment.",
    ]


def test_a_late_record_is_shown_as_an_adjustment_wherever_sums_are(
    spantoll: Cli, stored: Stored, record: Record
) -> None:
    stored([record(started_ns=OCTOBER_NS)])
    spantoll(*CLOSE)
    stored([record(started_ns=OCTOBER_NS, customer_id="acme")])

    closed = json.loads(spantoll("periods", "list", "-f", "json").out)
    (entry,) = json.loads(spantoll("periods", "adjustments", "-f", "json").out)
    october = spantoll("usage", "--from", "2025-10-01", "--to", "2025-11-01")
    now = json.loads(spantoll("usage", "--last", "1d", "-f", "json").out)

    assert [(each["period"], each["closed_by"], each["adjusted_usd"]) for each in closed] == [
        ("2025-10", "ann", "2.500000000")
    ]
    assert (entry["period"], entry["cause"], entry["customer_id"], entry["cost_usd"]) == (
        "2025-10",
        "late_record",
        "acme",
        "2.500000000",
    )
    assert "$2.50" in october.out.splitlines()[1]
    assert "Closed: +$2.50 in 1 adjustments of calls of this time" in october.out
    assert now["adjustments"]["booked"] == {
        "entries": 1,
        "unknown": 0,
        "cost_usd": "2.500000000",
    }


def test_an_adjustment_of_unknown_cost_is_not_one_of_nothing(
    spantoll: Cli, stored: Stored, record: Record
) -> None:
    stored([record(started_ns=OCTOBER_NS)])
    spantoll(*CLOSE)
    october = ("usage", "--from", "2025-10-01", "--to", "2025-11-01")
    late = partial(record, started_ns=OCTOBER_NS)

    stored([late(pricing_status="unpriced", cost_nano=None)])
    unknown = spantoll(*october).out
    (listed,) = json.loads(spantoll("periods", "list", "-f", "json").out)
    stored([late()])
    both = spantoll(*october).out

    assert "Closed: - in 1 adjustments" in unknown
    assert (listed["adjusted_usd"], listed["unknown_adjustments"]) == (None, 1)
    assert "Closed: +$2.50+ in 2 adjustments" in both


@pytest.mark.parametrize(
    ("late", "said"),
    [
        ([3_000_000_000], "+$3.00 in 1 adjustments"),
        ([None], "- in 1 adjustments"),
        ([None, 3_000_000_000], "+$3.00+ in 2 adjustments"),
    ],
)
def test_a_statement_issued_again_says_what_was_adjusted_since(
    spantoll: Cli, stored: Stored, record: Record, late: Sequence[int | None], said: str
) -> None:
    charged = partial(record, customer_id="acme", started_ns=OCTOBER_NS)
    stored([charged(revenue_nano=3_000_000_000)])
    spantoll(*CLOSE)
    stored([charged(revenue_nano=nano) for nano in late])
    statement = ("customers", "statement", "acme", "--month", "2025-10", "--tz", "Europe/Berlin")

    (note,) = [
        each
        for each in json.loads(spantoll(*statement, "-f", "json").out)["notes"]
        if "adjustments" in each
    ]

    assert note.startswith(f"Not in the total: {said} of calls of this period")


def test_adjustments_are_listed_by_period_and_customer(
    spantoll: Cli, stored: Stored, record: Record
) -> None:
    stored([record(started_ns=OCTOBER_NS)])
    spantoll(*CLOSE)
    stored([record(started_ns=OCTOBER_NS, customer_id=name) for name in ("acme", "globex")])

    ran = spantoll("periods", "adjustments", "--period", "2025-10", "--customer", "acme")

    assert len(ran.out.splitlines()) == 2
    assert "acme" in ran.out
    assert "+$2.50" in ran.out


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("close", "October"), 2, "write 2026-10, 2026-Q4 or 2026"),
        (("close", "2025-13"), 2, "write 2026-10, 2026-Q4 or 2026"),
        (("close", "2199"), 1, "not over yet"),
        (("close", "2025-Q4"), 1, "overlaps 2025-10 in Europe/Berlin"),
        (("adjustments", "--period", "2025-09"), 2, "closed are: 2025-10"),
    ],
)
def test_what_cannot_be_closed_or_found_is_said(
    spantoll: Cli, stored: Stored, arguments: tuple[str, ...], status: int, said: str
) -> None:
    stored([])
    spantoll(*CLOSE)

    ran = spantoll("periods", *arguments)

    assert ran.status == status
    assert said in ran.err
