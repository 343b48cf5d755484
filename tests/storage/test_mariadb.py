"""What only MariaDB makes necessary: DDL without transactions, collations, its own errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, create_engine, event, func, inspect, make_url, select

from spantoll.errors import ConfigurationError, NoLedger, StoreUnavailable
from spantoll.records.columns import metadata, usage_record
from spantoll.storage import SqlStore, mariadb, open_store
from spantoll.storage.copy import copy_ledger
from spantoll.storage.mariadb_schema import prepare_migration
from spantoll.storage.migrate import MIGRATIONS
from tests.storage.conftest import rows
from tests.support.mariadb import MariadbServer
from tests.support.records import make_record


@pytest.fixture
def url(mariadb_server: MariadbServer) -> str:
    return mariadb_server.make_database()


class _Interrupted(BaseException):
    """A process that ends: nothing handles it."""


@pytest.fixture
def interrupt() -> Iterator[list[int]]:
    """Interrupt the process before the nth DDL statement; give n by putting it in the list."""
    left: list[int] = []

    def count_down(connection: object, cursor: object, statement: str, *_: object) -> None:
        if left and statement.lstrip().startswith(("CREATE", "ALTER TABLE", "DROP")):
            left[0] -= 1
            if left[0] == 0:
                raise _Interrupted

    event.listen(Engine, "before_cursor_execute", count_down)
    yield left
    event.remove(Engine, "before_cursor_execute", count_down)


@pytest.fixture
def url_of_earlier_schema(url: str) -> str:
    """A database with the schema of an earlier version, which its migrations made."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = create_engine(make_url(url).set(drivername="mariadb+pymysql"))
    prepare_migration(engine)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
    engine.dispose()
    return url


@pytest.mark.parametrize("statement", [2, 3, 9, 20, 30])
def test_a_migration_that_was_interrupted_is_completed(
    url_of_earlier_schema: str, interrupt: list[int], statement: int
) -> None:
    assert_interrupted_then_completed(url_of_earlier_schema, interrupt, statement)


@pytest.mark.parametrize("statement", [2, 3, 9, 20, 37])
def test_a_new_ledger_that_was_interrupted_is_completed(
    url: str, interrupt: list[int], statement: int
) -> None:
    assert_interrupted_then_completed(url, interrupt, statement)


def assert_interrupted_then_completed(url: str, interrupt: list[int], statement: int) -> None:
    interrupt.append(statement)
    with pytest.raises(_Interrupted):
        open_store(url)
    interrupt.clear()

    store = open_store(url)

    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    assert store.write([make_record()]).inserted == 1
    store.close()


def test_a_database_of_another_charset_takes_and_distinguishes_every_text(
    mariadb_server: MariadbServer,
) -> None:
    url = mariadb_server.make_database("CHARACTER SET latin1 COLLATE latin1_swedish_ci")
    records = [make_record(metadata=text) for text in ('{"k":"😀"}', '{"k":"a"}', '{"k":"A"}')]

    store = open_store(url)
    store.write(records)

    with store.engine.connect() as connection:
        texts = select(usage_record.c.metadata).distinct()
        assert len(connection.scalars(texts).all()) == 3
    assert rows(store) == records
    store.close()


def test_the_scheme_of_its_drivers_opens_the_same_ledger(url: str) -> None:
    record = make_record()
    first = open_store(url)
    first.write([record])

    store = open_store(url.replace("mariadb://", "mysql://"))

    assert rows(store) == [record]
    assert store.url == first.url
    assert "secret" not in store.url
    first.close()
    store.close()


@pytest.mark.parametrize(
    ("changed", "error", "says"),
    [
        ({"password": "wrong"}, StoreUnavailable, "Access denied"),
        ({"database": "nowhere"}, StoreUnavailable, "Unknown database"),
        ({"database": ""}, ConfigurationError, "name a database"),
    ],
)
def test_what_cannot_be_opened_says_why_and_no_password(
    url: str, changed: dict[str, Any], error: type[Exception], says: str
) -> None:
    spelled = make_url(url).set(**changed).render_as_string(hide_password=False)

    with pytest.raises(error, match=says) as refused:
        open_store(spelled)

    assert "secret" not in str(refused.value)


def test_a_ledger_that_is_only_read_is_not_made(url: str) -> None:
    with pytest.raises(NoLedger):
        open_store(url, create=False)

    engine = create_engine(url.replace("mariadb://", "mariadb+pymysql://"))
    assert inspect(engine).get_table_names() == []
    engine.dispose()


@pytest.fixture
def slow_s(monkeypatch: pytest.MonkeyPatch) -> float:
    """Seconds that a statement takes, longer than the store waits for an answer."""
    monkeypatch.setattr(mariadb, "ANSWER_TIMEOUT_S", 1)
    return 1.5


@contextmanager
def sleeping_once(beginning: str, seconds: float) -> Iterator[list[str]]:
    """Sleep in the database before its first statement that begins so; yield that statement."""
    slept: list[str] = []

    def sleep(connection: Connection, cursor: Any, statement: str, *_: object) -> None:
        is_wanted = connection.dialect.name == "mariadb" and statement.lstrip().startswith(
            beginning
        )
        if is_wanted and not slept:
            slept.append(statement)
            cursor.execute("DO SLEEP(%s)", (seconds,))

    event.listen(Engine, "before_cursor_execute", sleep)
    try:
        yield slept
    finally:
        event.remove(Engine, "before_cursor_execute", sleep)


def test_migrations_have_as_long_as_they_take(url: str, slow_s: float) -> None:
    with sleeping_once("CREATE TABLE", slow_s) as slept:
        store = open_store(url)

    assert slept
    assert store.write([make_record()]).inserted == 1
    store.close()


def test_a_copy_has_as_long_as_it_takes(url: str, slow_s: float) -> None:
    source, target = open_store("memory:"), open_store(url)
    assert isinstance(source, SqlStore)
    assert isinstance(target, SqlStore)
    source.write([make_record()])

    with sleeping_once("SELECT count", slow_s) as slept:
        copy_ledger(source, target)

    assert slept
    assert rows(target) == rows(source)
    source.close()
    target.close()


def test_an_answer_is_waited_for_only_so_long_but_in_long_statements(
    url: str, slow_s: float
) -> None:
    store = open_store(url)
    assert isinstance(store, mariadb.MariadbStore)

    def sleep() -> None:
        with store.transaction() as connection:
            connection.execute(select(func.sleep(slow_s)))

    with store.long_statements():
        sleep()
    with pytest.raises(StoreUnavailable):
        sleep()
    store.close()


def test_a_connection_that_the_server_closed_is_replaced(
    mariadb_server: MariadbServer, url: str
) -> None:
    store = open_store(url)
    store.write([make_record()])
    with mariadb_server.connect() as connection, connection.cursor() as cursor:
        name = url.rpartition("/")[2]
        cursor.execute("SELECT id FROM information_schema.processlist WHERE db = %s", (name,))
        for [session] in cursor.fetchall():
            cursor.execute(f"KILL {session}")

    result = store.write([make_record()])

    assert result.inserted == 1
    assert len(rows(store)) == 2
    store.close()
