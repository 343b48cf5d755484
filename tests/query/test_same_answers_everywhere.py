"""Random queries over a random ledger have one answer: on every database, and in plain Python."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, NoReturn, Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from spantoll.query import (
    MEASURES,
    RECORD_SOURCES,
    Filter,
    Query,
    RecordQuery,
    iterate_parts,
    list_records,
    plain_records,
    run,
)
from spantoll.query.percentiles import ERROR
from spantoll.records import UsageRecord
from spantoll.records.build import latency_bucket
from spantoll.records.record import COLUMNS
from spantoll.storage import open_store
from tests.query import reference
from tests.support import clickhouse, mariadb, postgresql
from tests.support.records import NOON_NS, make_record, show_parts

HOUR_NS = 3600 * 10**9
DAYS = 70
MODELS = ("gpt-4o", "claude", "GPT-4O", "mistral")
USERS = ("ann", "bob", "Ann", None)
STATUSES = ("success", "success", "success", "error", "timeout", "cancelled")
PRICED = ("priced", "priced", "free", "estimated", "partial", "unpriced")


MakeLedger = Callable[[Sequence[UsageRecord]], Engine]


class Missing(Protocol):
    def __call__(self, what: str, command: str) -> NoReturn: ...


def random_record(random: Random) -> UsageRecord:
    duration = random.choice([None, random.randrange(1, 10**11)])
    fresh, read, written = (random.randrange(1, 5_000) for _ in range(3))
    status = random.choice(PRICED)
    return make_record(
        started_ns=NOON_NS - random.randrange(DAYS * 24 * HOUR_NS),
        counted=random.random() < 0.9,
        model=random.choice(MODELS),
        provider=random.choice(["openai", "anthropic", None]),
        user_id=random.choice(USERS),
        customer_id=random.choice(["acme", "umbrella", None]),
        batch=random.random() < 0.3,
        status=random.choice(STATUSES),
        requests=random.choice([1, 1, 1, 7]),
        pricing_status=status,
        cost_nano=0 if status == "free" else random.randrange(10**12),
        input_cost_nano=random.choice([None, fresh * random.randrange(1, 9_000)]),
        cache_cost_nano=random.choice([None, random.randrange(10**6)]),
        input_tokens=random.choice([None, fresh + read + written]),
        cache_read_tokens=random.choice([None, read]),
        cache_write_tokens=random.choice([None, written]),
        output_tokens=random.choice([None, random.randrange(4_000)]),
        duration_ns=duration,
        latency_bucket=None if duration is None else latency_bucket(duration),
        time_to_first_chunk_ns=random.choice([None, random.randrange(10**9)]),
        metadata=random.choice([None, json.dumps({"a.b": random.choice(["x", "1", True])})]),
    )


RECORDS = [random_record(Random(seed)) for seed in range(400)]


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb", "clickhouse"])
def make_ledger(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, missing: Missing
) -> Iterator[MakeLedger]:
    """Write records to a database of their own and give what queries run on."""
    with ExitStack() as stack:
        servers = {"postgresql": postgresql, "mariadb": mariadb, "clickhouse": clickhouse}
        server: Any = servers.get(request.param)
        if server is not None:
            programs: Path | None = server.find_programs()
            if programs is None:
                missing(request.param, server.INSTALL)
            server = stack.enter_context(server.start_server(programs))

        def make(records: Sequence[UsageRecord]) -> Engine:
            file = tmp_path_factory.mktemp("ledger") / "usage.db"
            store = open_store(f"sqlite:///{file}" if server is None else server.make_database())
            stack.callback(store.close)
            store.write(records)
            return store.engine

        yield make


@pytest.fixture(scope="module")
def engine(make_ledger: MakeLedger) -> Engine:
    return make_ledger(RECORDS)


filters = st.one_of(
    st.builds(
        Filter,
        st.just("model"),
        st.lists(st.sampled_from(MODELS), max_size=3).map(tuple),
        negate=st.booleans(),
        operator=st.just("="),
    ),
    st.builds(
        Filter,
        st.just("user_id"),
        st.lists(st.sampled_from(USERS), min_size=1, max_size=2).map(tuple),
        negate=st.booleans(),
        operator=st.just("="),
    ),
    st.builds(
        Filter,
        st.just("model"),
        st.lists(st.sampled_from(["gpt", "GPT", "", "claude-3"]), max_size=2).map(tuple),
        negate=st.booleans(),
        operator=st.just("^="),
    ),
    st.builds(
        Filter,
        st.sampled_from(["input_tokens", "requests"]),
        st.integers(0, 9_000).map(lambda number: (number,)),
        negate=st.booleans(),
        operator=st.sampled_from(["=", "<", "<=", ">", ">="]),
    ),
    st.builds(
        Filter,
        st.just("batch"),
        st.sampled_from([(True,), (False,)]),
        negate=st.booleans(),
        operator=st.just("="),
    ),
)
DIMENSIONS = ["provider", "model", "user_id", "customer_id", "batch", "status", "attr.a.b"]


@st.composite
def queries(draw: st.DrawFn) -> Query:
    start = draw(st.none() | st.integers(0, DAYS * 24))
    length = draw(st.none() | st.integers(1, 30 * 24))
    start_ns = None if start is None else NOON_NS - start * HOUR_NS + draw(st.integers(0, 999))
    end_ns = None if start_ns is None or length is None else start_ns + length * HOUR_NS
    return Query(
        measures=draw(
            st.lists(st.sampled_from(sorted(reference.MEASURES)), min_size=1, max_size=5)
        ),
        dimensions=draw(st.lists(st.sampled_from(DIMENSIONS), max_size=2)),
        filters=draw(st.lists(filters, max_size=2)),
        start_ns=start_ns,
        end_ns=end_ns,
        window=draw(st.sampled_from(["total", "hour", "day", "week", "month", "quarter"])),
        tz=draw(st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns"])),
        uncounted=draw(st.booleans()),
        exact=True,
    )


@given(queries())
def test_an_answer_is_that_of_plain_python(engine: Engine, query: Query) -> None:
    groups, totals = reference.answer_query(RECORDS, query)

    result = run(engine, query)

    assert {
        (row.window, *row.dimensions.values()): {name: row[name] for name in query.measures}
        for row in result.rows
    } == groups
    assert {name: result.totals[name] for name in query.measures} == totals
    assert result.groups == len(groups)


@settings(max_examples=50)
@given(queries(), st.integers(1, 4), st.sampled_from(["model", "user_id", "attr.a.b"]))
def test_the_largest_groups_and_the_others_are_the_whole(
    engine: Engine, query: Query, limit: int, dimension: str
) -> None:
    query = replace(
        query,
        dimensions=[dimension],
        start_ns=query.start_ns or NOON_NS - DAYS * 24 * HOUR_NS,
        end_ns=query.end_ns or NOON_NS + HOUR_NS,
        window=query.window if query.window != "hour" else "day",
    )
    top = {row[dimension] for row in run(engine, replace(query, window="total", limit=limit)).rows}

    result = run(engine, replace(query, limit=limit, others=True))

    kept = [each for each in RECORDS if reference.read_dimension(each, dimension) in top]
    rest = [each for each in RECORDS if reference.read_dimension(each, dimension) not in top]
    # a dimension that all have in common: one group
    others, _ = reference.answer_query(rest, replace(query, dimensions=["tenant_id"]))
    groups, _ = reference.answer_query(kept, query)
    _, totals = reference.answer_query(RECORDS, query)
    expected = {(*key, False): measures for key, measures in groups.items()}
    expected |= {(window, None, True): measures for (window, _), measures in others.items()}
    assert {
        (row.window, row[dimension], row.others): {name: row[name] for name in query.measures}
        for row in result.rows
    } == expected
    assert {name: result.totals[name] for name in query.measures} == totals


def test_a_group_has_a_row_in_every_window_that_is_filled(engine: Engine) -> None:
    query = Query(
        measures=["requests", "success_rate"],
        dimensions=["model"],
        start_ns=NOON_NS - 12 * HOUR_NS,
        end_ns=NOON_NS,
        window="hour",
        fill=True,
    )
    groups, _ = reference.answer_query(RECORDS, query)

    result = run(engine, query)

    models = {model for _, model in groups}
    nothing = {"requests": 0, "success_rate": None}
    windows = list(dict.fromkeys(row.window for row in result.rows))
    assert len(windows) == 12
    assert {
        (row.window, row["model"]): {name: row[name] for name in nothing} for row in result.rows
    } == {
        (window, model): groups.get((window, model), nothing)
        for window in windows
        for model in models
    }
    assert result.groups == 12 * len(models)


def test_an_export_in_parts_is_the_listing(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spantoll.query.record_parts.PART", 40)
    query = RecordQuery(limit=300, uncounted=True)

    parts = iterate_parts(engine, query, RECORD_SOURCES)

    assert show_parts(parts) == plain_records(list_records(engine, query).records)


def test_counters_that_are_noise_end_no_report(make_ledger: MakeLedger) -> None:
    most = 2**63 - 1
    noise: dict[str, Any] = {
        name: most
        for name, spec in COLUMNS.items()
        if spec.measure is not None or name == "duration_ns"
    }
    engine = make_ledger(
        [
            make_record(**noise, model="noise"),
            make_record(**noise | {"pricing_status": "unpriced"}, model="noise"),
        ]
    )

    totals = run(engine, Query(measures=list(MEASURES), dimensions=["model"])).totals

    assert totals["total_tokens"] == 4 * most
    assert totals["unpriced_tokens"] == 2 * most
    assert totals["cost_usd"] == Decimal(most).scaleb(-9)


def test_the_reference_knows_the_measures_of_the_module() -> None:
    assert reference.MEASURES.keys() <= MEASURES.keys()


@pytest.mark.parametrize("percent", [50, 90, 95, 99])
def test_percentiles_of_buckets_are_within_the_stated_error(engine: Engine, percent: int) -> None:
    name = f"latency_p{percent}_ms"
    query = Query(measures=[name], dimensions=["model"])
    groups, totals = reference.answer_query(RECORDS, query)

    result = run(engine, query)

    for row, exact in [
        *((row, groups[(None, row["model"])]) for row in result.rows),
        (result.totals, totals),
    ]:
        found: Any = row[name]
        assert abs(found - exact[name]) <= exact[name] * (ERROR + 1e-9)


def test_rows_can_be_ordered_by_a_percentile(engine: Engine) -> None:
    name = "time_to_first_chunk_p90_ms"
    groups, _ = reference.answer_query(RECORDS, Query(measures=[name], dimensions=["model"]))

    result = run(engine, Query(measures=[name], dimensions=["model"], order=[f"-{name}"], limit=3))

    slowest: Sequence[float] = sorted((each[name] for each in groups.values()), reverse=True)
    assert [row[name] for row in result.rows] == slowest[:3]
    assert result.groups == len(groups)
