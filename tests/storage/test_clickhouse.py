"""What ClickHouse does its own way: versions of rows, ids, and what a crash leaves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import bindparam, case, delete, func, select, text, update

from spantoll.errors import ConfigurationError, StoreUnavailable
from spantoll.records import usage_record
from spantoll.storage import Correction, SqlStore, Stored, open_store
from spantoll.storage.amend import VOIDED, void_record
from spantoll.storage.audit_events import list_audit_events
from spantoll.storage.clickhouse.schema import WEEK_NS
from spantoll.storage.copy import copy_ledger
from spantoll.storage.shared import read_unsettled
from spantoll.storage.tables import audit_event, probe
from spantoll.storage.views import VIEWS
from tests.storage.conftest import rows, settle_repeats
from tests.support import clickhouse
from tests.support.records import NOON_NS, make_record, record_of_response

WITHOUT_FINAL = {"settings": {"final": 0}}


@pytest.fixture
def clickhouse_url(clickhouse_server: clickhouse.Server) -> Iterator[str]:
    url = clickhouse_server.make_database()
    yield url
    clickhouse_server.drop_database(url)


@pytest.fixture
def ledger_store(clickhouse_url: str) -> Iterator[SqlStore]:
    opened = open_store(clickhouse_url)
    assert isinstance(opened, SqlStore)
    yield opened
    opened.close()


def test_a_correction_is_read_before_clickhouse_merges_its_versions(ledger_store: SqlStore) -> None:
    gateway, sdk = record_of_response("msg_1"), record_of_response("msg_1")

    result = ledger_store.write([gateway, sdk], settle=settle_repeats)

    assert result.corrected == 1
    assert sorted(record.counted for record in rows(ledger_store)) == [False, True]
    with ledger_store.engine.connect() as connection:
        versions = select(func.count()).select_from(usage_record)
        assert connection.scalar(versions) == 2
        assert connection.scalar(versions, execution_options=WITHOUT_FINAL) == 3


def test_a_record_whose_start_moves_by_weeks_is_read_once(ledger_store: SqlStore) -> None:
    earlier_ns = NOON_NS - 5 * WEEK_NS

    def move_start(group: Sequence[Stored]) -> list[Correction]:
        return [
            Correction(member.id, member.current._replace(started_ns=earlier_ns))
            for member in group
            if member.current.started_ns != earlier_ns
        ]

    ledger_store.write(
        [record_of_response("msg_1"), record_of_response("msg_1")], settle=move_start
    )

    assert [record.started_ns for record in rows(ledger_store)] == [earlier_ns] * 2


def test_records_of_one_week_are_in_one_partition(ledger_store: SqlStore) -> None:
    received_ns = [0, WEEK_NS - 1, WEEK_NS, 40 * WEEK_NS]

    ledger_store.write([make_record(received_ns=each) for each in received_ns])

    weeks = text(
        "SELECT toInt64(partition), sum(rows) FROM system.parts WHERE active "
        "AND table = 'usage_record' AND database = currentDatabase() GROUP BY 1 ORDER BY 1"
    )
    with ledger_store.engine.connect() as connection:
        assert connection.execute(weeks).all() == [(0, 2), (1, 1), (40, 1)]


def test_records_are_ordered_by_what_all_versions_have_in_common(ledger_store: SqlStore) -> None:
    key = text(
        "SELECT sorting_key FROM system.tables WHERE database = currentDatabase() "
        "AND name = 'usage_record'"
    )

    with ledger_store.engine.connect() as connection:
        assert connection.scalar(key) == "tenant_id, received_ns, trace_id, span_id"


def test_a_sum_of_a_case_is_that_of_other_databases(ledger_store: SqlStore, tmp_path: Path) -> None:
    r = usage_record.c
    other = open_store(f"sqlite:///{tmp_path}/usage.db")
    assert isinstance(other, SqlStore)
    for store in (ledger_store, other):
        store.write(
            [
                make_record(requests=1, output_tokens=5),
                make_record(requests=7, output_tokens=None),
                *(make_record(status="error", output_tokens=9) for _ in range(2)),
            ]
        )
    sums = {
        "no else": case((r.status == "success", r.requests)),
        "else 0": case((r.status == "success", r.requests), else_=0),
        "else 100": case((r.status == "success", r.requests), else_=100),
        "some null": case((r.status == "success", r.output_tokens)),
        "all null": case((r.status == "success", r.input_tokens)),
        "all null, else 0": case((r.status == "success", r.input_tokens), else_=0),
        "all match and are null": case((r.requests > 0, r.input_tokens), else_=0),
        "none match": case((r.requests < 0, r.requests)),
        "none match, else 1": case((r.requests < 0, r.requests), else_=1),
        "null condition": case((r.output_tokens > 5, r.requests), else_=1),
    }
    wanted = select(*(func.sum(each) for each in sums.values()))

    found, of_no_row = [], []
    for store in (ledger_store, other):
        with store.engine.connect() as connection:
            found.append(dict(zip(sums, connection.execute(wanted).one(), strict=True)))
            of_no_row.append(connection.execute(wanted.where(r.id < 0)).one())
    other.close()

    assert found[0] == found[1]
    assert list(found[0].values()) == [8, 8, 208, 5, None, 0, None, None, 4, 4]
    assert [set(row) for row in of_no_row] == [{None}, {None}]


def test_what_reports_group_by_is_kept_in_dictionaries(ledger_store: SqlStore) -> None:
    ledger_store.write([make_record(provider=None, model="a"), make_record(provider="b")])

    kinds = text(
        "SELECT name, type FROM system.columns WHERE database = currentDatabase() "
        "AND table = 'usage_record' AND name IN ('model', 'pricing_status', 'user_id')"
    )
    with ledger_store.engine.connect() as connection:
        assert dict(connection.execute(kinds).all()) == {
            "model": "LowCardinality(Nullable(String))",
            "pricing_status": "LowCardinality(String)",
            "user_id": "Nullable(String)",
        }
    assert {record.provider for record in rows(ledger_store)} == {None, "b"}


def test_an_update_reports_how_many_rows_it_changed(ledger_store: SqlStore) -> None:
    ledger_store.write([make_record(model="a"), make_record(model="a"), make_record(model="b")])

    with ledger_store.transaction() as connection:
        is_a = usage_record.c.model == "a"
        changed = connection.execute(update(usage_record).where(is_a).values(model="c"))
        again = connection.execute(update(usage_record).where(is_a).values(model="c"))

    assert (changed.rowcount, again.rowcount) == (2, 0)
    assert sorted(record.model or "" for record in rows(ledger_store)) == ["b", "c", "c"]


@pytest.mark.parametrize("value", [b"\x82" * 24, bytes(range(0, 240, 10)), b"\0" * 24, None])
def test_an_update_of_one_record_keeps_bytes_that_are_no_text(
    ledger_store: SqlStore, value: bytes | None
) -> None:
    ledger_store.write([make_record()])
    repeats = update(usage_record).where(usage_record.c.id == bindparam("which"))
    repeats = repeats.values(repeats_span=bindparam("new"), counted=False)

    with ledger_store.transaction() as connection:
        connection.execute(repeats, {"which": 1, "new": value})

    [row] = rows(ledger_store)
    assert (row.repeats_span, row.counted) == (value, False)


def test_what_was_deleted_can_be_inserted_again(ledger_store: SqlStore) -> None:
    row = {"id": 1, "written_ns": 1}
    with ledger_store.transaction() as connection:
        connection.execute(probe.insert(), row)

        connection.execute(delete(probe).where(probe.c.id == 1))

        found = select(probe.c.id, probe.c.written_ns)
        assert connection.execute(found).all() == []
        connection.execute(probe.insert(), row)
        assert connection.execute(found).all() == [(1, 1)]


def test_rows_are_numbered_as_other_databases_number_them(ledger_store: SqlStore) -> None:
    event = {"at_ns": 1, "done_by": "ann", "action": "void", "records": 1, "why": "a test"}

    with ledger_store.transaction() as connection:
        keys = [
            connection.execute(audit_event.insert().values(event)).inserted_primary_key
            for _ in range(2)
        ]

    assert keys == [(1,), (2,)]


def test_stores_that_write_at_once_give_no_id_twice(
    ledger_store: SqlStore, clickhouse_url: str
) -> None:
    other = open_store(clickhouse_url)

    for store in (ledger_store, other, ledger_store):
        store.write([make_record(), make_record()])

    with other.engine.connect() as connection:
        ids = connection.scalars(select(usage_record.c.id)).all()
    other.close()
    assert len(set(ids)) == 6
    assert max(ids) < 2**53


class Killed(BaseException):
    """Ends a write where a kill would."""


@pytest.mark.parametrize("table", ["unsettled", "usage_record"])
def test_what_a_crash_leaves_is_settled_later(
    ledger_store: SqlStore, clickhouse_url: str, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*_: Any) -> None:
        raise Killed

    records = [record_of_response("msg_1"), record_of_response("msg_1")]
    broken: Any = open_store(clickhouse_url)
    # A kill when the mark is written, or when the records are written too.
    where = "insert_records" if table == "unsettled" else "_settle_noted"
    monkeypatch.setattr(broken, where, kill)
    with pytest.raises(Killed):
        broken.write(records, settle=settle_repeats)
    broken.close()
    stored = 0 if table == "unsettled" else 2
    left = read_unsettled(ledger_store.engine)
    assert left is not None
    assert len(rows(ledger_store)) == stored

    again = ledger_store.write(records, settle=settle_repeats)
    ledger_store.settle_pending(settle_repeats)

    assert again.inserted == 2 - stored
    assert sorted(record.counted for record in rows(ledger_store)) == [False, True]
    assert read_unsettled(ledger_store.engine) is None


def test_a_void_that_is_cut_is_in_the_audit_and_can_be_done_again(
    ledger_store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*_: Any) -> None:
        raise Killed

    ledger_store.write([make_record()])
    with ledger_store.engine.connect() as connection:
        number = connection.scalars(select(usage_record.c.id)).one()

    with monkeypatch.context() as patch:
        patch.setattr("spantoll.storage.amend.store_changes", kill)
        with pytest.raises(Killed):
            void_record(ledger_store, number, why="a test", by="ann", now_ns=NOON_NS)
    events = list_audit_events(ledger_store.engine)
    void_record(ledger_store, number, why="a test", by="ann", now_ns=NOON_NS)

    assert [(each.action, each.record_id) for each in events] == [("void", number)]
    assert [record.counted_reason for record in rows(ledger_store)] == [VOIDED]


def test_a_ledger_is_copied_to_clickhouse_and_back(ledger_store: SqlStore, tmp_path: Path) -> None:
    source, back = (open_store(f"sqlite:///{tmp_path}/{name}.db") for name in ("one", "two"))
    assert isinstance(source, SqlStore)
    assert isinstance(back, SqlStore)
    source.write([record_of_response("msg_1") for _ in range(5)], settle=settle_repeats)

    there = copy_ledger(source, ledger_store)
    again = copy_ledger(source, ledger_store)
    returned = copy_ledger(ledger_store, back)

    assert [table.rows for table in returned] == [table.rows for table in there]
    assert sum(table.written for table in again) == 0
    assert rows(back) == rows(ledger_store) == rows(source)
    new = make_record()
    assert ledger_store.write([new]).inserted == 1
    source.close()
    back.close()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        pytest.param("clickhouse://127.0.0.1", "name a database", id="no-name"),
        pytest.param("clickhouse://127.0.0.1/x?speed=9", "unknown database option", id="option"),
    ],
)
def test_a_url_that_can_never_work_is_refused(url: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        open_store(url)


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable, match="clickhouse://"):
        open_store("clickhouse://127.0.0.1:1/ledger")


def test_views_read_the_latest_rows_whatever_a_client_has_set(ledger_store: SqlStore) -> None:
    usual: dict[str, Any] = {"model": "a", "started_ns": NOON_NS, "duration_ns": 1_500_000}
    ledger_store.write(
        [
            make_record(cost_nano=1_234_567_890_123_456_789, **usual),
            make_record(cost_nano=1, counted=False, **usual),
            make_record(pricing_status="unpriced", **usual),
        ]
    )
    with ledger_store.transaction() as connection:
        named = update(usage_record).where(usage_record.c.model == "a").values(team="x")
        connection.execute(named)

    with ledger_store.engine.connect() as connection:
        plain = connection.execution_options(**WITHOUT_FINAL)
        counts = [plain.scalar(text(f"SELECT count(*) FROM {name}")) for name in VIEWS]
        call = plain.execute(text("SELECT * FROM v1_call WHERE cost_nano > 0")).one()
        quarters = plain.execute(text("SELECT * FROM v1_cost_15m ORDER BY pricing_status")).all()

    assert counts == [3, 2, 2, 2]
    assert (call.time_s, call.latency_ms, call.team) == (NOON_NS // 10**9, 1.5, "x")
    assert call.cost_usd == Decimal("1234567890.123456789")
    assert [(row.requests, row.unpriced_requests, row.cost_usd) for row in quarters] == [
        (1, 0, call.cost_usd),
        (1, 1, None),
    ]
