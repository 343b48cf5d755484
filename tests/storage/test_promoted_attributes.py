"""A promoted attribute changes no answer, on any database: before, while and after it is."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import product
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from spantoll.pipeline.promote import list_unpromoted, promote_in_empty_ledger
from spantoll.query import Filter, Query, run
from spantoll.records import UsageRecord
from spantoll.storage import SqlStore, Store, open_store
from spantoll.storage.copy import copy_ledger
from spantoll.storage.promoted import fill_columns, promote_attribute
from spantoll.storage.promoted_names import name_column, parse_promoted
from tests.support import postgresql
from tests.support.records import make_record

NAME = "app.Feature-1"
VALUES = (None, "x", "X", "x ", "1", 1, True, False, "é" * 200, "é" * 199, "", "null", 0.5)


def make_records(seed: int, count: int) -> list[UsageRecord]:
    random = Random(seed)
    drawn = [random.choice(VALUES) for _ in range(count)]
    return [
        make_record(metadata=None if value is None else json.dumps({NAME: value, "other": "y"}))
        for value in drawn
    ]


FIRST, LATER = make_records(1, 80), make_records(2, 20)


def read_text(record: UsageRecord) -> str | None:
    """Read the attribute as answers show it: JSON, and a text without its quotation marks."""
    if record.metadata is None:
        return None
    value = json.loads(record.metadata)[NAME]
    return value if isinstance(value, str) else json.dumps(value)


TEXTS = sorted({read_text(each) for each in FIRST}, key=str)


def count_groups(store: SqlStore) -> dict[Any, Any]:
    result = run(store.engine, Query(measures=["requests"], dimensions=[f"attr.{NAME}"]))
    return {row[f"attr.{NAME}"]: row["requests"] for row in result.rows}


def count_matching(store: SqlStore, texts: tuple[str | None, ...], *, negate: bool) -> Any:
    chosen = Filter(f"attr.{NAME}", texts, negate=negate)
    return run(store.engine, Query(measures=["requests"], filters=[chosen])).totals["requests"]


def check_answers(store: SqlStore, records: list[UsageRecord]) -> None:
    texts = [read_text(each) for each in records]
    assert count_groups(store) == Counter(texts)
    for text, negate in product(TEXTS, (False, True)):
        matching = sum((each == text) is not negate for each in texts)
        assert count_matching(store, (text,), negate=negate) == matching


@pytest.fixture
def sql_store(store: Store) -> SqlStore:
    assert isinstance(store, SqlStore)
    return store


@pytest.fixture
def statements(sql_store: SqlStore) -> list[str]:
    """What is sent to the database to answer."""
    sent: list[str] = []

    def keep(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        sent.append(statement)

    event.listen(sql_store.engine, "before_cursor_execute", keep)
    return sent


@pytest.fixture
def unaware(sql_store: SqlStore, url: str) -> Iterator[SqlStore]:
    """A process that runs since before the attribute was promoted."""
    opened = open_store(url) if url != "memory:" else sql_store
    assert isinstance(opened, SqlStore)
    yield opened
    opened.close()


def test_answers_are_the_same_before_and_after(sql_store: SqlStore, unaware: SqlStore) -> None:
    sql_store.write(FIRST)
    check_answers(sql_store, FIRST)

    promote_attribute(sql_store, NAME)
    check_answers(sql_store, FIRST)
    unaware.write(LATER)
    check_answers(sql_store, [*FIRST, *LATER])
    fill_columns(sql_store)

    check_answers(sql_store, [*FIRST, *LATER])
    check_answers(unaware, [*FIRST, *LATER])


def test_records_that_come_meanwhile_are_found(sql_store: SqlStore) -> None:
    batches = [make_records(seed, 5) for seed in range(12)]
    for batch in batches[:2]:
        sql_store.write(batch)

    with ThreadPoolExecutor(1) as receiver:
        writing = receiver.submit(lambda: [sql_store.write(batch) for batch in batches[2:]])
        promote_attribute(sql_store, NAME)
        writing.result()

    check_answers(sql_store, [record for batch in batches for record in batch])


def test_an_index_that_was_interrupted_is_made_again(
    postgresql_server: postgresql.Server,
) -> None:
    with closing(open_store(postgresql_server.make_database())) as store:
        assert isinstance(store, SqlStore)
        store.write(FIRST)
        promote_attribute(store, NAME)
        with store.transaction() as connection:
            # What CREATE INDEX CONCURRENTLY leaves behind where it does not end.
            invalid = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{}'::regclass"
            connection.exec_driver_sql(invalid.format(name_column(NAME)))

        assert list_unpromoted(store, [NAME]) == [NAME]
        assert promote_attribute(store, NAME)

        assert list_unpromoted(store, [NAME]) == []
        check_answers(store, FIRST)


@pytest.fixture(scope="module")
def promoted_ledger() -> Iterator[SqlStore]:
    opened = open_store("memory:")
    assert isinstance(opened, SqlStore)
    opened.write(FIRST)
    promote_attribute(opened, NAME)
    yield opened
    opened.close()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([*TEXTS, "none of them"]), min_size=1, max_size=4), st.booleans())
def test_any_filter_by_a_promoted_attribute_is_exact(
    promoted_ledger: SqlStore, texts: list[str | None], negate: bool
) -> None:
    expected = sum((read_text(each) in texts) is not negate for each in FIRST)

    assert count_matching(promoted_ledger, tuple(texts), negate=negate) == expected


def test_records_of_a_promoted_attribute_are_found_by_it(
    sql_store: SqlStore, statements: list[str]
) -> None:
    sql_store.write(FIRST)
    promote_attribute(sql_store, NAME)
    statements.clear()

    count_matching(sql_store, ("x",), negate=False)

    asked = next(each for each in statements if "usage_record" in each and " IN " in each)
    with sql_store.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}", ("x",)).all()
            assert any(name_column(NAME) in str(row) for row in plan)
        elif connection.dialect.name == "postgresql":
            assert f"->> '{NAME}')" in asked
        else:
            assert f"{name_column(NAME)} IN" in asked


def test_a_ledger_with_promoted_attributes_is_copied(sql_store: SqlStore) -> None:
    sql_store.write(FIRST)
    promote_attribute(sql_store, NAME)
    target = open_store("memory:")
    assert isinstance(target, SqlStore)

    with closing(target):
        copy_ledger(sql_store, target)

        assert count_groups(target) == count_groups(sql_store)


def test_an_attribute_is_promoted_once(sql_store: SqlStore) -> None:
    assert promote_attribute(sql_store, NAME)
    assert not promote_attribute(sql_store, NAME)


def test_only_an_empty_ledger_is_given_them_at_start(
    sql_store: SqlStore, caplog: pytest.LogCaptureFixture
) -> None:
    promote_in_empty_ledger(sql_store, [NAME])
    sql_store.write(FIRST[:1])

    with caplog.at_level(logging.WARNING):
        promote_in_empty_ledger(sql_store, [NAME, "later"])

    assert list_unpromoted(sql_store, [NAME, "later"]) == ["later"]
    assert "not promoted: later" in caplog.text


@pytest.mark.parametrize("name", ["it's", "a b", "100%", 'a"b', "x" * 129])
def test_a_name_that_needs_quoting_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be promoted"):
        parse_promoted(name)


def test_different_attributes_have_different_columns() -> None:
    names = ["app.feature", "app_feature", "APP.feature", "a" * 100, "a" * 101]

    assert len({name_column(each) for each in names}) == len(names)
    assert max(len(f"ix_{name_column(each)}") for each in names) <= 63
