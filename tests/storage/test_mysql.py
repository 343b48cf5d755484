"""The SQL for MySQL, which no test runs on MySQL: as it is compiled, and as MariaDB executes it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, event, make_url
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import CreateIndex, CreateTable

from spantoll.errors import StoreUnavailable
from spantoll.records.columns import metadata
from spantoll.storage import open_store
from spantoll.storage.mysql import COLLATION, MysqlStore
from spantoll.storage.roll_up_verify import verify_roll_ups
from spantoll.storage.views import SPELLINGS, VIEWS
from tests.storage.conftest import rows, settle_repeats
from tests.support.mariadb import MariadbServer
from tests.support.records import make_record, record_of_response

ONLY_MARIADB = ("nopad", "RETURNING", "ADD COLUMN IF", "INDEX IF")
"""Words of MariaDB's SQL that MySQL refuses."""

DDL: list[CreateTable | CreateIndex] = [
    *map(CreateTable, metadata.sorted_tables),
    *(CreateIndex(index) for table in metadata.sorted_tables for index in table.indexes),
]


@pytest.fixture
def executed(mariadb_server: MariadbServer) -> Iterator[list[str]]:
    """List the statements; MariaDB executes them with its own name of the collation."""
    found: list[str] = []

    def replace_collation(
        connection: object, cursor: object, statement: str, parameters: object, *_: object
    ) -> tuple[str, object]:
        found.append(statement)
        return statement.replace(COLLATION, "utf8mb4_nopad_bin"), parameters

    event.listen(Engine, "before_cursor_execute", replace_collation, retval=True)
    yield found
    event.remove(Engine, "before_cursor_execute", replace_collation)


@pytest.fixture
def store(mariadb_server: MariadbServer, executed: list[str]) -> Iterator[MysqlStore]:
    url = make_url(mariadb_server.make_database()).set(drivername="mysql")
    opened = MysqlStore(url)
    yield opened
    opened.close()


def test_tables_compare_texts_by_code_point_and_index_ids() -> None:
    compiled = [str(each.compile(dialect=mysql.dialect())) for each in DDL]

    lines = [line for each in compiled for line in each.splitlines() if "VARCHAR" in line]
    assert lines
    assert all(f"CHARACTER SET utf8mb4 COLLATE {COLLATION}" in line for line in lines)
    assert not any(word in each for each in compiled for word in ONLY_MARIADB)
    assert "trace_id VARBINARY(16)" in next(each for each in compiled if " usage_record " in each)


@pytest.mark.parametrize("name", VIEWS)
def test_views_are_compiled(name: str) -> None:
    statement = VIEWS[name](SPELLINGS["mariadb"])

    compiled = str(
        statement.compile(dialect=mysql.dialect(), compile_kwargs={"literal_binds": True})
    )

    assert compiled.startswith("SELECT")


def test_a_ledger_is_written_and_settled_without_what_only_mariadb_has(
    store: MysqlStore, executed: list[str]
) -> None:
    first, second, other = record_of_response("a"), record_of_response("a"), make_record()

    results = [
        store.write([first, other], settle=settle_repeats),
        store.write([second, first], settle=settle_repeats),
    ]

    assert [(each.inserted, each.duplicates) for each in results] == [(2, 0), (1, 1)]
    assert [record.counted for record in rows(store)] == [True, False, True]
    assert verify_roll_ups(store.engine).differences == []
    # Alembic's own INSERT has RETURNING where SQLAlchemy recognises MariaDB.
    ours = [each for each in executed if "alembic_version" not in each]
    assert [each for each in ours if any(word in each for word in ONLY_MARIADB)] == []


def test_a_server_that_is_not_there_may_come_back() -> None:
    with pytest.raises(StoreUnavailable, match="mysql://ann:") as refused:
        open_store("mysql://ann:secret@127.0.0.1:1/ledger")

    assert "secret" not in str(refused.value)
