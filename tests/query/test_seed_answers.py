"""The eight usage rows that a usage tracker prints, and what follows from them, worked by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Engine

from spantoll.query import (
    QUESTIONS,
    Query,
    Scope,
    list_records,
    measure_growth,
    parse_filters,
    run,
    user_usage,
    workspace_logs,
)
from spantoll.query.named import find_question
from spantoll.records import UsageRecord
from tests.support.records import make_record

Write = Callable[..., Engine]


class SeedRow(NamedTuple):
    """`usage_metric` of the tracker, as far as calls and tokens go."""

    time: str
    customer: str
    user: str
    vendor: str
    model: str
    api_type: str
    input_tokens: int
    output_tokens: int


ROWS = [
    SeedRow("2025-08-30T15:00:00", "customer1", "user1", "openai", "gpt-4", "chat", 10, 10),
    SeedRow("2025-08-30T15:00:00", "customer1", "user1", "openai", "gpt-4", "chat", 50, 50),
    SeedRow(
        "2025-08-30T22:44:05", "customer2", "user2", "anthropic", "claude-3", "completion", 20, 50
    ),
    SeedRow(
        "2025-09-30T22:52:13", "customer2", "user3", "anthropic", "claude-3", "completion", 10, 5
    ),
    SeedRow(
        "2025-09-21T21:57:05", "customer3", "user4", "gcp.gemini", "gemini-pro", "generation", 0, 0
    ),
    SeedRow(
        "2025-05-30T22:03:06", "customer1", "user2", "gcp.gemini", "gemini-pro", "generation", 0, 0
    ),
    SeedRow("2025-10-10T22:05:16", "customer3", "user3", "openai", "gpt-5", "generation", 0, 0),
    SeedRow("2025-08-20T22:13:30", "customer2", "user4", "anthropic", "claude-3", "chat", 12, 15),
]


def ns(text: str) -> int:
    return int(datetime.fromisoformat(f"{text}+00:00").timestamp()) * 10**9


@pytest.fixture
def seeded(ledger: Write) -> Engine:
    return ledger(*(seed_record(row) for row in ROWS))


def seed_record(row: SeedRow) -> UsageRecord:
    return make_record(
        started_ns=ns(row.time),
        customer_id=row.customer,
        workspace_id=row.customer,
        user_id=row.user,
        provider=row.vendor,
        model=row.model,
        operation=row.api_type,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
    )


@pytest.mark.parametrize(
    ("where", "period", "expected"),
    [
        pytest.param([], (None, None), (8, 102, 130), id="all"),
        pytest.param(["customer=customer1"], (None, None), (3, 60, 60), id="customer"),
        pytest.param(["user=user4"], (None, None), (2, 12, 15), id="user"),
        pytest.param(["provider=Anthropic"], (None, None), (3, 42, 70), id="vendor"),
        pytest.param(["operation=generation"], (None, None), (3, 0, 0), id="api-type"),
        pytest.param(["model=gpt-4"], (None, None), (2, 60, 60), id="model"),
        pytest.param([], ("2025-09-01T00:00:00", "2025-10-01T00:00:00"), (2, 10, 5), id="period"),
        pytest.param(
            ["customer=customer2", "operation=chat"],
            ("2025-08-01T00:00:00", None),
            (1, 12, 15),
            id="combined",
        ),
    ],
)
def test_the_summary_by_any_filter(
    seeded: Engine, where: list[str], period: tuple[Any, Any], expected: tuple[int, ...]
) -> None:
    start_ns, end_ns = (text and ns(text) for text in period)
    scope = Scope(filters=parse_filters(where), start_ns=start_ns, end_ns=end_ns)

    totals = run(seeded, find_question("summary")(scope)).totals

    assert (totals["requests"], totals["input_tokens"], totals["output_tokens"]) == expected


def test_usage_by_vendor_and_month(seeded: Engine) -> None:
    query = Query(
        measures=["requests", "total_tokens"],
        dimensions=["provider"],
        window="month",
        order=["window", "provider"],
    )

    rows = run(seeded, query).rows

    months = {ns(f"2025-{month}-01T00:00:00"): month for month in ("05", "08", "09", "10")}
    assert [
        (
            row.window and months[row.window.start_ns],
            *row.dimensions.values(),
            *row.measures.values(),
        )
        for row in rows
    ] == [
        ("05", "gcp.gemini", 1, 0),
        ("08", "anthropic", 2, 97),
        ("08", "openai", 2, 120),
        ("09", "anthropic", 1, 15),
        ("09", "gcp.gemini", 1, 0),
        ("10", "openai", 1, 0),
    ]


def test_the_growth_of_each_month(seeded: Engine) -> None:
    query = Query(
        measures=["total_tokens"],
        start_ns=ns("2025-08-01T00:00:00"),
        end_ns=ns("2025-11-01T00:00:00"),
        window="month",
    )

    changes = [each.change("total_tokens") for each in measure_growth(seeded, query).rows]

    assert [(each.now, each.difference, each.ratio) for each in changes] == [
        (217, 217, None),
        (15, -202, pytest.approx(-202 / 217)),
        (0, -15, -1.0),
    ]


def test_what_a_user_used_by_model(seeded: Engine) -> None:
    rows = run(seeded, user_usage(Scope(), "user2")).rows

    assert [(row["model"], row["requests"], row["total_tokens"]) for row in rows] == [
        ("claude-3", 1, 70),
        ("gemini-pro", 1, 0),
    ]


def test_the_logs_of_a_workspace_are_newest_first(seeded: Engine) -> None:
    listed = list_records(seeded, workspace_logs(Scope(), "customer2")).records

    assert [each.record.input_tokens for each in listed] == [10, 20, 12]


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_question_is_about_all_records_of_its_scope(seeded: Engine, name: str) -> None:
    scope = Scope(end_ns=ns("2025-08-31T00:00:00"))

    result = run(seeded, find_question(name)(scope))

    assert result.totals.requests == (3 if name == "real_time" else 5)
    assert sum(row.requests for row in result.rows) == result.totals.requests
