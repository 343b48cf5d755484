from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, MetaData, Table, create_engine, inspect, make_url, select, text
from sqlalchemy.schema import CreateIndex, CreateTable

from spantoll.errors import SchemaMismatch, StoreUnavailable
from spantoll.records.columns import metadata, usage_record
from spantoll.records.keys import usage_key
from spantoll.storage import open_store, tables
from spantoll.storage.migrate import HEAD, MIGRATIONS, is_current, migrate
from tests.support.records import make_record


@pytest.fixture
def engine(ledger: Path) -> Iterator[Engine]:
    made = create_engine(f"sqlite:///{ledger}")
    yield made
    made.dispose()


@pytest.fixture
def scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return ScriptDirectory.from_config(config)


def test_head_is_the_newest_migration(scripts: ScriptDirectory) -> None:
    assert scripts.get_heads() == [HEAD]


def test_files_are_named_by_their_revision(scripts: ScriptDirectory) -> None:
    named = {
        script.revision: Path(script.path).name.partition("_")[0]
        for script in scripts.walk_revisions()
    }

    assert all(revision == name for revision, name in named.items())


def schema_differences(engine: Engine) -> Any:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return compare_metadata(context, metadata)


def test_migrations_make_the_schema_the_code_uses(
    engine: Engine, run_alembic: Callable[..., None]
) -> None:
    run_alembic(command.upgrade, "head")

    assert schema_differences(engine) == []
    assert {tables.rate.name, "usage_record"} <= set(inspect(engine).get_table_names())


def test_an_empty_database_gets_the_schema_of_all_migrations(
    engine: Engine, run_alembic: Callable[..., None]
) -> None:
    migrate(engine)

    assert schema_differences(engine) == []
    created = revision_of(engine)
    run_alembic(command.stamp, "head")
    assert revision_of(engine) == created == [HEAD]


def revision_of(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(text("SELECT version_num FROM alembic_version")))


@pytest.mark.parametrize("database", ["postgresql", "mariadb", "mysql", "sqlite"])
def test_migrations_spell_the_tables_of_the_code_on_every_database(
    database: str, scripts: ScriptDirectory
) -> None:
    dialect = make_url(f"{database}://").get_dialect()()
    spelled: list[Any] = [*map(CreateTable, metadata.tables.values())]
    spelled += [CreateIndex(index) for each in metadata.tables.values() for index in each.indexes]
    declared = [str(each.compile(dialect=dialect)) for each in spelled]

    written = StringIO()
    context = MigrationContext.configure(
        dialect_name=database, opts={"as_sql": True, "output_buffer": written}
    )
    with Operations.context(context):
        for script in reversed(list(scripts.walk_revisions())):
            script.module.upgrade()

    assert remaining_parts(written.getvalue()) == remaining_parts(";".join(declared))


def remaining_parts(sql: str) -> list[str]:
    """List the columns, constraints and indexes that statements leave behind, in no order."""
    found: dict[str, list[str]] = {}
    for statement in filter(None, (" ".join(each.split()) for each in sql.split(";"))):
        made = re.match(r"CREATE TABLE (\w+) \( (.*) \)", statement)
        added = re.match(r"ALTER TABLE (\w+) ADD COLUMN (.*)", statement)
        index = re.match(r"CREATE INDEX (\w+) ON (\w+)", statement)
        dropped = re.match(r"DROP TABLE (?:IF EXISTS )?(\w+)", statement)
        column = re.match(r"ALTER TABLE (\w+) DROP(?: COLUMN)? (\w+)$", statement)
        old_index = re.match(r"DROP INDEX (\w+)", statement)
        if made:
            found[made[1]] = [made[1], *re.split(r", (?![^(]*\))", made[2])]
        elif added:
            found[added[1]].append(added[2])
        elif index:
            found[index[2]].append(statement)
        elif dropped:
            del found[dropped[1]]
        elif column:
            kept = [part for part in found[column[1]] if not part.startswith(f"{column[2]} ")]
            found[column[1]] = kept
        elif old_index:
            start = f"CREATE INDEX {old_index[1]} "
            found = {
                table: [part for part in parts if not part.startswith(start)]
                for table, parts in found.items()
            }
        elif not statement.startswith(("INSERT INTO retention ", "INSERT INTO rolled_up ")):
            raise AssertionError(f"a statement this test does not know: {statement}")
    return sorted(f"{table}: {part}" for table, parts in found.items() for part in parts)


REVISIONS = ("0001", "0002")
"""The schemas that ledgers of earlier versions have."""


@pytest.fixture
def run_alembic(engine: Engine) -> Callable[..., None]:
    """Upgrade or downgrade a database to a revision."""

    def run(change: Callable[[Config, str], None], revision: str) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            change(config, revision)

    return run


def insert_rows(engine: Engine, count: int) -> list[dict[str, Any]]:
    """Write records as an earlier version has: the columns that its table has, and a rate."""
    found = {column["name"] for column in inspect(engine).get_columns("usage_record")}
    records = [make_record(rate_id=7, metadata='{"k":"v"}')._asdict() for _ in range(count)]
    rows = [{name: row[name] for name in row if name in found} for row in records]
    prices = [["input", "2.50", 1_000_000]]
    price_row = {"rate_id": 7, "provider": "openai", "model": "gpt-4o", "context": ""}
    price_row |= {"prices": json.dumps(prices), "effective_from": "", "effective_to": ""}
    with engine.begin() as connection:
        old = Table("usage_record", MetaData(), autoload_with=connection)
        connection.execute(old.insert(), rows)
        connection.execute(
            tables.rate.insert(), [price_row | {"source": "catalogue", "price_set": "ab" * 32}]
        )
    return rows


def holds_rows(engine: Engine, written: list[dict[str, Any]]) -> bool:
    """Whether a ledger has those records and their rate, in the columns of both schemas."""
    with engine.connect() as connection:
        table = Table("usage_record", MetaData(), autoload_with=connection)
        found = connection.execute(select(table).order_by(table.c.id)).mappings().all()
        rates = connection.execute(select(tables.rate)).all()
    names = [name for name in written[0] if name in table.c]
    return len(rates) == 1 and [[row[name] for name in names] for row in found] == [
        [row[name] for name in names] for row in written
    ]


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_ledger_of_an_earlier_schema_keeps_every_record(
    engine: Engine, run_alembic: Callable[..., None], revision: str, ledger: Path
) -> None:
    run_alembic(command.upgrade, revision)
    written = insert_rows(engine, 50)

    store = open_store(str(ledger))

    assert is_current(engine)
    assert holds_rows(engine, written)
    assert store.write([make_record()]).inserted == 1
    store.close()


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_ledger_goes_back_to_an_earlier_schema_with_its_records(
    engine: Engine, run_alembic: Callable[..., None], revision: str
) -> None:
    run_alembic(command.upgrade, revision)
    tables_before = sorted(inspect(engine).get_table_names())
    columns_before = {each["name"] for each in inspect(engine).get_columns("usage_record")}
    written = insert_rows(engine, 50)
    migrate(engine)

    run_alembic(command.downgrade, revision)

    assert sorted(inspect(engine).get_table_names()) == tables_before
    assert {each["name"] for each in inspect(engine).get_columns("usage_record")} == columns_before
    assert holds_rows(engine, written)


EDITED = {
    "0001 without a probe and the catalogue's cost": (
        "0001",
        "DROP TABLE probe; ALTER TABLE usage_record DROP COLUMN catalogue_cost_nano",
    ),
    "0002 with one narrow index": (
        "0002",
        "DROP INDEX ix_usage_record_nameless; DROP INDEX ix_usage_record_twin; "
        "CREATE INDEX ix_usage_record_twin ON usage_record (twin_key)",
    ),
    "0002 without the scope in an index": (
        "0002",
        "DROP INDEX ix_usage_record_nameless; "
        "CREATE INDEX ix_usage_record_nameless ON usage_record (response_key, twin_key)",
    ),
}
"""Schemas that earlier commits made under the number of a revision: what they lacked."""


@pytest.mark.parametrize("edited", EDITED)
def test_a_ledger_of_an_edited_migration_is_completed(
    engine: Engine, run_alembic: Callable[..., None], edited: str
) -> None:
    revision, statements = EDITED[edited]
    run_alembic(command.upgrade, revision)
    with engine.begin() as connection:
        for statement in statements.split("; "):
            connection.execute(text(statement))
    written = insert_rows(engine, 5)

    migrate(engine)

    assert schema_differences(engine) == []
    assert holds_rows(engine, written)


def test_every_table_is_filled_by_something(engine: Engine) -> None:
    migrate(engine)

    found = set(inspect(engine).get_table_names())

    assert found == {"access_key", *metadata.tables, "alembic_version"}


def test_records_of_the_schema_before_keep_their_verdicts_and_get_usage_keys(
    engine: Engine, run_alembic: Callable[..., None]
) -> None:
    record = make_record(
        input_tokens=100, output_tokens=10, duration_ns=10**9, counted_reason="twin"
    )
    run_alembic(command.upgrade, "0004")
    with engine.begin() as connection:
        old = Table("usage_record", MetaData(), autoload_with=connection)
        row = {name: value for name, value in record._asdict().items() if name in old.c}
        connection.execute(old.insert(), {**row, "twin_key": 7, "facts": '{"input_tokens": 40}'})

    migrate(engine)

    with engine.connect() as connection:
        found = connection.execute(select(usage_record)).one()
    expected = usage_key(
        record._replace(input_tokens=40),
        tenant=record.tenant_id,
        trace_id=record.trace_id,
        end_ns=record.started_ns + 10**9,
        provider=record.provider,
        has_extra=False,
        status=record.status,
        request_model=record.request_model,
    )
    assert (found.usage_key, found.counted_reason) == (expected, "own_traces")
    assert (found.input_tokens, found.counted) == (100, True)
    assert found.cost_nano == record.cost_nano


def test_a_current_database_needs_no_alembic(ledger: Path) -> None:
    open_store(str(ledger)).close()
    program = (
        "import sys; from spantoll.storage import open_store; "
        f"open_store({str(ledger)!r}).close(); "
        "print(sorted(name for name in sys.modules if name.split('.')[0] == 'alembic'))"
    )

    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout

    assert printed == "[]\n"


def test_migrating_leaves_logging_as_it_is(engine: Engine) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), logging.getLogger("alembic").level)

    migrate(engine)

    assert (root.level, list(root.handlers), logging.getLogger("alembic").level) == before
    assert not logging.getLogger("spantoll").disabled


def test_migrating_twice_changes_nothing(engine: Engine) -> None:
    migrate(engine)
    migrate(engine)

    assert is_current(engine)


def test_a_newer_schema_is_named_and_left_alone(ledger: Path, engine: Engine) -> None:
    open_store(str(ledger)).close()
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(SchemaMismatch, match=r"ledger\.db has schema 9999.*upgrade spantoll"):
        open_store(str(ledger))

    with engine.connect() as connection:
        found = connection.scalar(text("SELECT version_num FROM alembic_version"))
    assert found == "9999"


def test_a_table_of_another_program_is_left_alone(ledger: Path, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE budget (n INTEGER)"))

    with pytest.raises(SchemaMismatch, match="a database of its own"):
        open_store(str(ledger))

    assert inspect(engine).get_table_names() == ["budget"]


def test_a_failed_migration_leaves_nothing(engine: Engine, ledger: Path) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE VIEW unsettled AS SELECT 1"))

    with pytest.raises(StoreUnavailable, match="unsettled already exists"):
        open_store(str(ledger))

    assert inspect(engine).get_table_names() == []


def test_a_path_with_a_percent_sign_is_migrated(tmp_path: Path) -> None:
    path = tmp_path / "100%_of it.db"

    open_store(str(path)).close()

    assert path.exists()
