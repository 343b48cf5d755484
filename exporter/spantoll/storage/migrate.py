"""Bring the schema of a database to the one this version's code uses.

Input: an engine whose transactions exclude other writers. Output: the tables: an empty database
gets those that the code declares, an older ledger the files of `migrations/versions` that it lacks.
Alembic is loaded only for the latter.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Column, Connection, Engine, MetaData, String, Table, inspect, select

from spantoll.errors import SchemaMismatch
from spantoll.records.columns import metadata
from spantoll.storage.tables import retention
from spantoll.storage.views import make_views

__all__ = ["HEAD", "is_current", "migrate"]

MIGRATIONS = Path(__file__).parent / "migrations"

REVISIONS = sorted(
    path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py")
)
HEAD = REVISIONS[-1]
"""The newest schema. Read off the names of the files: a database that is there needs no Alembic."""

_VERSION = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))
"""As Alembic declares it."""


def is_current(engine: Engine) -> bool:
    """Whether the schema is this version's, asked as a reader: no lock, no Alembic."""
    with engine.connect() as connection:
        return _revision(connection) == HEAD


def migrate(engine: Engine) -> None:
    """Bring the schema of a database to this version's.

    In one transaction that excludes every other process from its first statement (the engine's
    `begin` sees to that), so of two that start at once one migrates and the other finds it done.
    Where DDL is not part of transactions, what was interrupted is run again; see `mariadb_schema`.
    Raises SchemaMismatch when this version cannot bring the database up to date.
    """
    with engine.begin() as connection:
        found = _revision(connection)
        if found != HEAD:
            if _is_empty(connection, found):
                _create(connection)
            else:
                _upgrade(connection)
            make_views(connection)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_VERSION.name):
        return None
    return connection.scalar(select(_VERSION.c.version_num))


def _is_empty(connection: Connection, found: str | None) -> bool:
    """Return whether nothing of a ledger is there. Raises SchemaMismatch; see `migrate`."""
    if found is not None:
        if found not in REVISIONS:
            raise SchemaMismatch(
                f"{connection.engine.url} has schema {found}, and this version of SpanToll knows "
                f"schemas up to {HEAD}: a newer version has written it; upgrade spantoll"
            )
        return False
    from spantoll.storage.migrations import unfilled_tables

    present = inspect(connection).get_table_names()
    # An empty table of versions is made first: what is there with it was interrupted.
    if _VERSION.name in present:
        return False
    foreign = {*metadata.tables, *unfilled_tables.NAMES}.intersection(present)
    if foreign:
        raise SchemaMismatch(
            f"{connection.engine.url} has a table {min(foreign)} that no migration has made: "
            "give the ledger a database of its own"
        )
    return True


def _create(connection: Connection) -> None:
    _VERSION.create(connection)
    metadata.create_all(connection, checkfirst=False)
    connection.execute(retention.insert().values(id=1, deleted_before_ns=0))
    connection.execute(_VERSION.insert().values(version_num=HEAD))


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    # Config interpolates as configparser does.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
