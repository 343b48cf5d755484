"""Stored records are priced again, undone and resumed, on every store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from spantoll.errors import RepriceError
from spantoll.pipeline import Ledger, make_settle
from spantoll.pipeline.reprice import make_reprice, price_again
from spantoll.pipeline.reprice_run import (
    preview_repricing,
    reprice_records,
    resume_run,
    undo_run,
)
from spantoll.pricing import RateCard
from spantoll.records import UsageRecord, usage_record
from spantoll.storage import SqlStore, Store, open_store
from spantoll.storage.audit_events import list_audit_events
from spantoll.storage.reprice import (
    Progress,
    Run,
    RunState,
    Selection,
    count_selected,
    list_runs,
    read_batch,
    start_run,
    write_batch,
)
from spantoll.storage.reprice_undo import start_undo, undo_batch
from spantoll.storage.tables import rate, reprice_change, reprice_run
from tests.pipeline.calls import EPOCH_NS, SECOND, call, used
from tests.storage.conftest import rows
from tests.support.prices import make_card

CHEAP = make_card(gpt_4o="1", gpt_5="2")
DEAR = make_card(gpt_4o="10", gpt_5="2")
WITHOUT = make_card(gpt_5="2")
NOW_NS = EPOCH_NS + 86_400 * SECOND
OPENAI: dict[str, Any] = {"provider": "openai"}


@pytest.fixture
def sql_store(store: Store) -> SqlStore:
    assert isinstance(store, SqlStore)
    return store


def priced(card: RateCard, record: UsageRecord) -> UsageRecord:
    """Return a record as ingest prices it."""
    named = record._replace(model=record.response_model or record.request_model)
    return price_again(named, card, now_ns=record.received_ns)[0]


def write(store: Store, card: RateCard, *batches: Sequence[UsageRecord]) -> None:
    ledger = Ledger(store, settle=make_settle(card))
    for batch in batches:
        ledger.write([priced(card, record) for record in batch], rates=[])


def reprice(store: SqlStore, card: RateCard, **selected: Any) -> Run:
    _, end_id = count_selected(store.engine, Selection(**selected))
    return reprice_records(
        store, card, Selection(**selected), end_id=end_id, by="ann", now_ns=NOW_NS
    )


def undo(store: SqlStore, run: Run) -> Run:
    return undo_run(store, run.run_id, by="ben", now_ns=NOW_NS)


def content(store: Store) -> list[tuple[Any, ...]]:
    """Read every column of every record, what its span reported included."""
    with store.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(usage_record).order_by("id"))]


def costs(store: Store) -> list[int | None]:
    return [record.cost_nano for record in rows(store)]


def test_records_get_the_price_of_the_card(sql_store: SqlStore) -> None:
    write(sql_store, CHEAP, [call("a", **OPENAI, **used(1_000_000, 0))])

    run = reprice(sql_store, DEAR)

    (record,) = rows(sql_store)
    assert (record.cost_nano, record.priced_ns) == (10 * 10**9, NOW_NS)
    assert (run.state, run.examined, run.changed) == (RunState.FINISHED, 1, 1)
    assert (run.old_cost_nano, run.new_cost_nano) == (10**9, 10 * 10**9)


def test_the_rate_that_a_record_now_names_is_stored(sql_store: SqlStore) -> None:
    write(sql_store, CHEAP, [call("a", **OPENAI, **used(10, 1))])

    reprice(sql_store, DEAR)

    with sql_store.engine.connect() as connection:
        kept = connection.scalars(select(rate.c.rate_id)).all()
    assert [record.rate_id for record in rows(sql_store)] == kept


@pytest.mark.parametrize(
    ("selected", "names"),
    [
        ({}, "abc"),
        ({"model": "gpt-4o"}, "abc"),
        ({"model": "gpt-5"}, ""),
        ({"provider": "anthropic"}, ""),
        ({"customer_id": "acme"}, "b"),
        ({"pricing_status": "unpriced"}, ""),
        ({"start_ns": EPOCH_NS + 100 * SECOND}, "bc"),
        ({"end_ns": EPOCH_NS + 100 * SECOND}, "a"),
        ({"start_ns": EPOCH_NS + 100 * SECOND, "end_ns": EPOCH_NS + 200 * SECOND}, "b"),
    ],
)
def test_only_what_is_selected_changes(
    sql_store: SqlStore, selected: dict[str, Any], names: str
) -> None:
    calls = [
        call("a", 0, trace="a", **OPENAI, **used(10, 1)),
        call("b", 100, 101, trace="b", customer_id="acme", **OPENAI, **used(11, 1)),
        call("c", 200, 201, trace="c", **OPENAI, **used(12, 1)),
    ]
    write(sql_store, CHEAP, calls)

    reprice(sql_store, DEAR, **selected)

    changed = {record.span_id[:1].decode() for record in rows(sql_store) if record.priced_ns != 1}
    assert changed == set(names)


def test_a_record_whose_model_has_no_price_any_more_is_unpriced_and_says_why(
    sql_store: SqlStore,
) -> None:
    write(sql_store, CHEAP, [call("a", **OPENAI, **used(10, 1))])

    run = reprice(sql_store, WITHOUT)

    (record,) = rows(sql_store)
    assert (record.cost_nano, record.pricing_status) == (None, "unpriced")
    assert record.pricing_reason
    assert record.rate_id is record.priced_ns is None
    assert run.changed == 1


def test_a_preview_adds_up_by_model_customer_and_day_and_writes_nothing(
    sql_store: SqlStore,
) -> None:
    day = 86_400
    write(
        sql_store,
        CHEAP,
        [
            call("a", 0, trace="a", customer_id="acme", **OPENAI, **used(1_000_000, 0)),
            call("b", day, day + 1, trace="b", **OPENAI, **used(2_000_000, 0)),
            call("c", 0, trace="c", request_model="gpt-5", **OPENAI, **used(5, 0)),
        ],
    )
    before = content(sql_store)

    preview = preview_repricing(
        sql_store, DEAR, Selection(), end_id=10, tz=ZoneInfo("UTC"), now_ns=NOW_NS
    )

    assert content(sql_store) == before
    assert list_runs(sql_store.engine) == []
    assert (preview.examined, preview.changed) == (3, 2)
    assert (preview.total.old_nano, preview.total.new_nano) == (3 * 10**9, 30 * 10**9)
    assert {key: each.records for key, each in preview.by_model.items()} == {
        ("openai", "gpt-4o"): 2
    }
    assert {key: each.new_nano for key, each in preview.by_customer.items()} == {
        "acme": 10 * 10**9,
        None: 20 * 10**9,
    }
    assert [each.old_nano for _, each in sorted(preview.by_day.items())] == [10**9, 2 * 10**9]


def merged_call() -> list[UsageRecord]:
    """Make two reports of one call, of which the outer names no user."""
    outer = call("outer", 0, 10, scope_name="framework", **OPENAI, **used(1_000_000, 0))
    inner = call("inner", 1, 9, under="outer", **OPENAI, user_id="ann", **used(1_000_000, 0))
    return [outer, inner]


def test_a_merged_record_is_priced_by_its_content_and_settling_agrees(
    sql_store: SqlStore,
) -> None:
    write(sql_store, CHEAP, merged_call())

    reprice(sql_store, DEAR)
    after = content(sql_store)
    write(sql_store, DEAR, [call("late", 2, 3, role="tool", under="outer", counted=False)])

    assert content(sql_store)[:2] == after
    assert sorted(filter(None, costs(sql_store))) == [10 * 10**9] * 2


def test_settling_at_other_prices_keeps_the_price_of_what_it_does_not_change(
    sql_store: SqlStore,
) -> None:
    outer, inner = merged_call()
    write(sql_store, CHEAP, [outer, inner._replace(user_id=None, team="search")])
    reprice(sql_store, DEAR)
    after = content(sql_store)

    write(sql_store, CHEAP, [call("late", 2, 3, role="tool", under="inner", counted=False)])

    assert content(sql_store)[:2] == after


def test_a_span_that_comes_after_a_repricing_is_merged_at_the_price_of_the_card(
    sql_store: SqlStore,
) -> None:
    outer, inner = merged_call()
    write(sql_store, CHEAP, [inner])
    reprice(sql_store, DEAR)

    write(sql_store, DEAR, [outer])

    counted = [record for record in rows(sql_store) if record.counted]
    assert [record.cost_nano for record in counted] == [10 * 10**9]


def test_undo_restores_every_column(sql_store: SqlStore) -> None:
    write(sql_store, CHEAP, merged_call(), [call("x", trace="x", **OPENAI, **used(7, 7))])
    before = content(sql_store)
    run = reprice(sql_store, DEAR)

    undone = undo(sql_store, run)

    assert content(sql_store) == before
    assert (undone.state, undone.undone_by, undone.kept) == (RunState.UNDONE, "ben", 0)


def test_undo_leaves_what_has_changed_since(sql_store: SqlStore) -> None:
    outer, inner = merged_call()
    write(sql_store, CHEAP, [inner], [call("x", trace="x", **OPENAI, **used(7, 7))])
    run = reprice(sql_store, DEAR)
    write(sql_store, WITHOUT, [outer._replace(region="eu-west-1")])

    undone = undo(sql_store, run)

    assert undone.kept == 1
    untouched = [record for record in rows(sql_store) if record.trace_id.startswith(b"x")]
    assert [record.cost_nano for record in untouched] == [14_000]


def test_a_run_is_not_undone_before_a_later_one_of_the_same_records(sql_store: SqlStore) -> None:
    write(sql_store, CHEAP, [call("a", **OPENAI, **used(10, 1))])
    before = content(sql_store)
    first, second = reprice(sql_store, DEAR), reprice(sql_store, CHEAP)

    with pytest.raises(RepriceError, match=f"undo run {second.run_id} first"):
        undo(sql_store, first)

    undo(sql_store, second)
    undo(sql_store, first)
    assert content(sql_store) == before


def test_a_run_is_undone_once(sql_store: SqlStore) -> None:
    write(sql_store, CHEAP, [call("a", **OPENAI, **used(10, 1))])
    run = reprice(sql_store, DEAR)
    undo(sql_store, run)

    with pytest.raises(RepriceError, match="undone already"):
        undo(sql_store, run)


def interrupt(store: SqlStore, card: RateCard) -> Run:
    """Begin a run, write a first batch of one record, and stop."""
    run = start_run(
        store, Selection(), end_id=100, rate_card=card.fingerprint, by="ann", now_ns=NOW_NS
    )
    price_anew = make_reprice(card, now_ns=NOW_NS)
    (member,) = read_batch(store.engine, Selection(), last_id=0, end_id=100, limit=1)
    change = price_anew(member)
    assert change is not None
    done = Progress(member.id, examined=1)
    return write_batch(store, run, [change], reprice=price_anew, done=done)


def some_calls() -> list[UsageRecord]:
    return [call("abcd"[i], trace=str(i), **OPENAI, **used(10 + i, 1)) for i in range(4)]


def test_an_interrupted_run_goes_on_where_it_stopped(sql_store: SqlStore) -> None:
    write(sql_store, CHEAP, some_calls())
    interrupted = interrupt(sql_store, DEAR)

    run = resume_run(sql_store, DEAR, interrupted.run_id, by="eve", now_ns=NOW_NS)

    assert (run.state, run.examined, run.changed) == (RunState.FINISHED, 4, 4)
    assert ("resume", "eve") in [
        (event.action, event.done_by) for event in list_audit_events(sql_store.engine)
    ]
    assert run.old_cost_nano * 10 == run.new_cost_nano == sum(filter(None, costs(sql_store)))


def test_an_interrupted_run_can_be_undone(sql_store: SqlStore) -> None:
    write(sql_store, CHEAP, some_calls())
    before = content(sql_store)

    undo(sql_store, interrupt(sql_store, DEAR))

    assert content(sql_store) == before


def test_an_interrupted_undo_goes_on_where_it_stopped(sql_store: SqlStore) -> None:
    write(sql_store, CHEAP, some_calls())
    before = content(sql_store)
    run = reprice(sql_store, DEAR)
    undo_batch(sql_store, start_undo(sql_store, run.run_id, by="b", now_ns=NOW_NS), limit=2)

    resumed = resume_run(sql_store, DEAR, run.run_id, by="eve", now_ns=NOW_NS)

    assert resumed.state is RunState.UNDONE
    assert content(sql_store) == before


def test_a_run_does_not_go_on_at_other_prices(sql_store: SqlStore) -> None:
    write(sql_store, CHEAP, some_calls())
    run = interrupt(sql_store, DEAR)

    with pytest.raises(RepriceError, match="undo"):
        resume_run(sql_store, WITHOUT, run.run_id, by="eve", now_ns=NOW_NS)


def test_no_run_begins_while_another_is_unfinished(sql_store: SqlStore) -> None:
    write(sql_store, CHEAP, some_calls())
    run = interrupt(sql_store, DEAR)

    with pytest.raises(RepriceError, match=f"resume {run.run_id}"):
        reprice(sql_store, DEAR)


def test_two_processes_cannot_go_on_with_one_run(sql_store: SqlStore) -> None:
    write(sql_store, CHEAP, some_calls())
    stale = interrupt(sql_store, DEAR)
    resume_run(sql_store, DEAR, stale.run_id, by="eve", now_ns=NOW_NS)
    before = content(sql_store)

    with pytest.raises(RepriceError, match="another process"):
        write_batch(
            sql_store,
            stale,
            [],
            reprice=make_reprice(CHEAP, now_ns=NOW_NS),
            done=Progress(100),
        )

    assert content(sql_store) == before


def test_a_record_that_is_settled_between_reading_and_writing_is_priced_anew(
    sql_store: SqlStore,
) -> None:
    outer, inner = merged_call()
    write(sql_store, CHEAP, [inner])
    price_anew = make_reprice(DEAR, now_ns=NOW_NS)
    run = start_run(
        sql_store, Selection(), end_id=9, rate_card=DEAR.fingerprint, by="a", now_ns=NOW_NS
    )
    batch = read_batch(sql_store.engine, Selection(), last_id=0, end_id=9, limit=9)
    stale = [change for each in batch if (change := price_anew(each))]
    write(sql_store, CHEAP, [outer._replace(region="eu-west-1")])

    write_batch(sql_store, run, stale, reprice=price_anew, done=Progress(9))

    (member,) = read_batch(sql_store.engine, Selection(), last_id=0, end_id=9, limit=1)
    assert (member.current.region, member.current.cost_nano) == ("eu-west-1", 10 * 10**9)


class Case(NamedTuple):
    calls: list[UsageRecord]
    batches: list[int]


@st.composite
def ledgers(draw: st.DrawFn) -> Case:
    names = "abcdefgh"[: draw(st.integers(1, 8))]
    calls = []
    for index, name in enumerate(names):
        start = draw(st.integers(0, 5))
        usage = draw(st.sampled_from([{}, used(100, 10), used(200, 20), used(10**6, 10**5)]))
        role = draw(st.sampled_from(["inference", "inference", "aggregate"]))
        calls.append(
            call(
                name,
                start,
                start + draw(st.integers(0, 5)),
                under=draw(st.sampled_from(["", *names[:index]])),
                trace=draw(st.sampled_from("tu")),
                role=role,
                counted=role == "inference",
                scope_name=draw(st.sampled_from(["sdk", "framework"])),
                request_model=draw(st.sampled_from(["gpt-4o", "gpt-5", "gpt-0", None])),
                response_id=draw(st.sampled_from([None, "chatcmpl-0123456789ab"])),
                service_tier=draw(st.sampled_from([None, "flex"])),
                reported_cost_nano=draw(st.sampled_from([None, None, 5_000])),
                reported_cost_source="gateway",
                **OPENAI,
                **usage,
            )
        )
    return Case(draw(st.permutations(calls)), draw(st.lists(st.integers(1, 4))))


@pytest.fixture(scope="module")
def emptied() -> Iterator[Callable[[], SqlStore]]:
    """Empty one of two ledgers in memory: making one takes longer than an example."""
    stores = [open_store("memory:") for _ in range(2)]
    turns = cycle(stores)

    def empty() -> SqlStore:
        store = next(turns)
        assert isinstance(store, SqlStore)
        with store.transaction() as connection:
            for table in (usage_record, reprice_run, reprice_change):
                connection.execute(delete(table))
        return store

    yield empty
    for store in stores:
        store.close()


def write_case(store: Store, case: Case, card: RateCard) -> None:
    left = list(case.calls)
    for size in [*case.batches, len(left)]:
        write(store, card, left[:size])
        left = left[size:]


PROPERTY = settings(suppress_health_check=[HealthCheck.too_slow])
Emptied = Callable[[], SqlStore]


@PROPERTY
@given(case=ledgers())
def test_to_the_same_prices_nothing_changes(emptied: Emptied, case: Case) -> None:
    store = emptied()
    write_case(store, case, CHEAP)
    before = content(store)

    run = reprice(store, CHEAP)

    assert (run.examined, run.changed) == (len(case.calls), 0)
    assert content(store) == before


@PROPERTY
@given(case=ledgers(), card=st.sampled_from([DEAR, WITHOUT]))
def test_repricing_and_undo_restore_every_column(
    emptied: Emptied, case: Case, card: RateCard
) -> None:
    store = emptied()
    write_case(store, case, CHEAP)
    before = content(store)

    undone = undo(store, reprice(store, card))

    assert undone.kept == 0
    assert content(store) == before


@PROPERTY
@given(case=ledgers(), card=st.sampled_from([DEAR, WITHOUT]))
def test_a_repriced_ledger_is_one_that_was_priced_so_from_the_beginning(
    emptied: Emptied, case: Case, card: RateCard
) -> None:
    one, other = emptied(), emptied()
    write_case(one, case, CHEAP)
    write_case(other, case, card)

    reprice(one, card)

    timeless = [record._replace(priced_ns=None) for record in rows(one)]
    assert timeless == [record._replace(priced_ns=None) for record in rows(other)]
