"""The owner map on every database: what its expressions mean, and that sums and records agree."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Engine

from spantoll.query import Filter, Query, RecordQuery, list_records, run
from spantoll.query.owner_rows import read_owner_rows
from spantoll.query.owners import read_assigning_rules
from spantoll.storage import Store
from spantoll.storage.owner_rules import add_owner_rules
from tests.support.records import make_record

RULES = (
    {"kind": "team", "owner": "a", "where": "project^=web"},
    {"kind": "team", "owner": "b", "where": "project=web"},
    {"kind": "team", "owner": "c", "where": "attr.repo^=web"},
    {"kind": "team", "owner": "d", "where": "user_id=An"},
    {"kind": "cost_centre", "owner": "4711", "where": "attr.repo=pay/api"},
    {"kind": "cost_centre", "owner": "4712", "where": "user_id=ann", "valid_from": 15},
    {"kind": "customer", "owner": "umbrella", "where": "user_id=bob"},
)
RECORDS = (
    make_record(user_id="ann", project="web", started_ns=10),
    make_record(user_id="ann", project="web", started_ns=20),
    make_record(user_id="bob", project="website", started_ns=20, metadata='{"repo":"pay/api"}'),
    make_record(user_id="Ann", started_ns=20, metadata='{"repo":"web"}'),
    make_record(user_id=None, customer_id="acme", started_ns=20),
)


def fill(store: Store) -> Engine:
    store.write(RECORDS)
    with store.transaction() as connection:
        add_owner_rules(connection, read_owner_rows(RULES, parse_time=int), now_ns=1)
    return store.engine


def count(engine: Engine, dimension: str) -> Mapping[object, int]:
    result = run(engine, Query(measures=("requests",), dimensions=(dimension,)))
    return {row.dimensions[dimension]: row.requests for row in result.rows}


def test_every_database_finds_the_same_owners(store: Store) -> None:
    engine = fill(store)

    assert count(engine, "owner_team") == {"a": 1, "b": 2, "c": 1, None: 1}
    assert count(engine, "owner_cost_centre") == {"4711": 1, "4712": 1, None: 3}
    assert count(engine, "owner_customer") == {"umbrella": 1, None: 4}


def test_owners_filter_sums_and_records(store: Store) -> None:
    engine = fill(store)
    filters = (Filter("owner", ("a", "b")),)

    result = run(engine, Query(measures=("requests",), filters=filters))
    listed = list_records(engine, RecordQuery(filters=filters)).records
    others = (Filter("owner_team", ("a", "b"), negate=True),)

    assert result.totals.requests == len(listed) == 3
    assert len(list_records(engine, RecordQuery(filters=others)).records) == 2


def test_a_record_names_the_rules_that_assign_it(store: Store) -> None:
    engine = fill(store)
    by_start = {
        (listed.record.user_id, listed.record.started_ns): listed.id
        for listed in list_records(engine, RecordQuery()).records
    }

    with engine.connect() as connection:
        assigned = {
            key: [(rule.kind, rule.owner) for rule in read_assigning_rules(connection, number)]
            for key, number in by_start.items()
        }

    assert assigned == {
        ("ann", 10): [("team", "b")],
        ("ann", 20): [("team", "b"), ("cost_centre", "4712")],
        ("bob", 20): [("team", "a"), ("cost_centre", "4711"), ("customer", "umbrella")],
        ("Ann", 20): [("team", "c")],
        (None, 20): [],
    }
