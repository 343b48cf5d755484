"""The newest records of a ledger in ClickHouse, which reads windows of time for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NoReturn, Protocol

import pytest
from sqlalchemy import event, update

from spantoll.query import Filter, Query, RecordQuery, list_records, newest, run
from spantoll.records import UsageRecord
from spantoll.records.columns import usage_record
from spantoll.storage import SqlStore, open_store
from tests.support import clickhouse
from tests.support.records import NOON_NS, make_record

DAY_NS = 24 * 3_600 * 10**9


class Missing(Protocol):
    def __call__(self, what: str, command: str) -> NoReturn: ...


@pytest.fixture(scope="module")
def store(missing: Missing) -> Iterator[SqlStore]:
    programs = clickhouse.find_programs()
    if programs is None:
        missing("chdb", clickhouse.INSTALL)
    with clickhouse.start_server(programs) as server:
        url = server.make_database()
        opened = open_store(url)
        assert isinstance(opened, SqlStore)
        yield opened
        opened.close()
        server.drop_database(url)


@pytest.fixture(autouse=True, params=[0, newest.NEAR], ids=["by-id", "all-of-a-time"])
def small_windows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the few records of a test be in several windows, and be looked up by id or not."""
    monkeypatch.setattr(newest, "WINDOWS", (2, 10))
    monkeypatch.setattr(newest, "NEAR", request.param)


@pytest.fixture
def user(request: pytest.FixtureRequest) -> str:
    """A user whom only this test has records of."""
    return str(request.node.name)


def make_records(days: Sequence[int], **given: Any) -> list[UsageRecord]:
    """Make records that started so many days ago, of which every other one was received then."""
    times = [NOON_NS - day * DAY_NS for day in days]
    return [
        make_record(started_ns=time_ns, received_ns=time_ns if index % 2 else NOON_NS, **given)
        for index, time_ns in enumerate(times)
    ]


def list_pages(store: SqlStore, **asked: Any) -> list[UsageRecord]:
    seen: list[UsageRecord] = []
    cursor, more = None, True
    while more:
        page = list_records(store.engine, RecordQuery(after=cursor, **asked))
        seen += [each.record for each in page.records]
        cursor, more = page.cursor, page.cursor is not None
    return seen


@pytest.mark.parametrize("limit", [2, 3, 200])
@pytest.mark.parametrize(
    "days",
    [
        pytest.param([0, 0, 0, 0], id="in-a-day"),
        pytest.param([0, 5, 9, 400], id="over-a-year"),
        pytest.param([300, 301, 400, 401], id="received-much-later"),
        pytest.param([-40, -2, 0, 50], id="starting-after-they-were-received"),
        pytest.param([], id="none"),
    ],
)
def test_pages_have_every_record_once_newest_first(
    store: SqlStore, user: str, days: Sequence[int], limit: int
) -> None:
    wanted = make_records(days, user_id=user)
    store.write([*wanted, *make_records([0, 1, 2, 500])])

    seen = list_pages(store, limit=limit, filters=[Filter("user_id", (user,))])

    assert [each.started_ns for each in seen] == [each.started_ns for each in wanted]
    assert set(seen) == set(wanted)


def test_pages_of_a_period_end_with_it(store: SqlStore, user: str) -> None:
    written = make_records([0, 100, 101, 200], user_id=user)
    store.write(written)
    of_user = [Filter("user_id", (user,))]
    period = {"start_ns": NOON_NS - 150 * DAY_NS, "end_ns": NOON_NS - DAY_NS}

    seen = list_pages(store, limit=1, filters=of_user, **period)

    assert seen == written[1:3]


def test_a_record_that_is_corrected_meanwhile_ends_no_list(store: SqlStore, user: str) -> None:
    written = make_records([0, 1, 2, 3], user_id=user)
    store.write(written)
    corrected: list[str] = []

    def correct(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "LIMIT" in statement and not corrected:
            corrected.append(statement)
            with store.transaction() as connection:
                first = usage_record.c.trace_id == written[0].trace_id
                connection.execute(update(usage_record).where(first).values(counted=False))

    event.listen(store.engine, "after_cursor_execute", correct)
    page = list_records(store.engine, RecordQuery(limit=2, filters=[Filter("user_id", (user,))]))
    event.remove(store.engine, "after_cursor_execute", correct)

    assert corrected
    assert [each.record for each in page.records] == written[1:3]
    assert page.cursor is not None


@pytest.mark.parametrize("limit", [2, 30])
@pytest.mark.parametrize(
    ("changed", "listed_last"),
    [
        pytest.param({"counted": False}, 0, id="not-counted-any-more"),
        pytest.param({"user_id": "another"}, 0, id="of-another-user"),
        pytest.param({"started_ns": NOON_NS - 90 * DAY_NS}, 7, id="started-earlier"),
    ],
)
def test_pages_have_records_as_they_are_and_not_as_they_were(
    store: SqlStore, user: str, changed: dict[str, Any], listed_last: int, limit: int
) -> None:
    written = make_records(range(12), user_id=user)
    store.write(written)
    traces = [each.trace_id for each in written[:7]]
    with store.transaction() as connection:
        connection.execute(
            update(usage_record).where(usage_record.c.trace_id.in_(traces)).values(**changed)
        )

    seen = list_pages(store, limit=limit, filters=[Filter("user_id", (user,))])

    assert seen[:5] == written[7:]
    assert {each.trace_id for each in seen[5:]} == set(traces[:listed_last])


@pytest.mark.parametrize(
    "days",
    [
        pytest.param([0, 0, 0], id="in-a-day"),
        pytest.param([0, 5, 40], id="over-a-month"),
        pytest.param([300, 310, 340], id="received-much-later"),
        pytest.param([-2, 0, 3], id="starting-after-they-were-received"),
    ],
)
def test_windows_reach_from_the_first_to_the_last_record(
    store: SqlStore, user: str, days: Sequence[int]
) -> None:
    store.write([*make_records(days, user_id=user), *make_records([-90, 900])])
    of_user = [Filter("user_id", (user,))]

    answer = run(
        store.engine, Query(measures=["requests"], window="day", fill=True, filters=of_user)
    )

    assert len(answer.rows) == max(days) - min(days) + 1
    assert answer.totals["requests"] == 3
