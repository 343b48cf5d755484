from __future__ import annotations

import logging
import re
import subprocess
import sys
from collections.abc import Iterator
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
from sqlalchemy import Engine, create_engine, inspect, make_url, text
from sqlalchemy.schema import CreateIndex, CreateTable

from spantoll.errors import SchemaMismatch, StoreUnavailable
from spantoll.records.columns import metadata
from spantoll.storage import open_store, tables
from spantoll.storage.migrate import HEAD, MIGRATIONS, is_current, migrate


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


def test_migrations_make_the_schema_the_code_uses(engine: Engine) -> None:
    migrate(engine)

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)

    assert differences == []
    assert {tables.rate.name, "usage_record"} <= set(inspect(engine).get_table_names())


@pytest.mark.parametrize("database", ["postgresql", "mysql", "sqlite"])
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

    assert parts(written.getvalue()) == parts(";".join(declared))


def parts(sql: str) -> list[str]:
    """Take statements apart, so that a column added later is one the table was made with."""
    found = []
    for statement in filter(None, (" ".join(each.split()) for each in sql.split(";"))):
        made = re.match(r"CREATE TABLE (\w+) \( (.*) \)", statement)
        added = re.match(r"ALTER TABLE (\w+) ADD COLUMN (.*)", statement)
        if made:
            found += [f"{made[1]}: {part}" for part in re.split(r", (?![^(]*\))", made[2])]
        else:
            found.append(f"{added[1]}: {added[2]}" if added else statement)
    return sorted(found)


def test_a_ledger_of_the_first_schema_is_brought_up_to_date(engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")

    migrate(engine)

    assert is_current(engine)
    assert "twin_key" in {column["name"] for column in inspect(engine).get_columns("usage_record")}


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


def test_a_table_of_somebody_else_is_left_alone(ledger: Path, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE budget (n INTEGER)"))

    with pytest.raises(SchemaMismatch, match="a database of its own"):
        open_store(str(ledger))

    assert inspect(engine).get_table_names() == ["budget"]


def test_a_failed_migration_leaves_nothing(engine: Engine, ledger: Path) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE VIEW budget AS SELECT 1"))

    with pytest.raises(StoreUnavailable, match="budget already exists"):
        open_store(str(ledger))

    assert inspect(engine).get_table_names() == []


def test_a_path_with_a_percent_sign_is_migrated(tmp_path: Path) -> None:
    path = tmp_path / "100%_of it.db"

    open_store(str(path)).close()

    assert path.exists()
