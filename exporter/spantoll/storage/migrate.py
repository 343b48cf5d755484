"""Bring the schema of a database to the one this version's code uses.

Input: an engine whose transactions exclude other writers. Output: the tables, by the files of
`migrations/versions`. Alembic is loaded only where there is something to do.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, column, inspect, select, table

from spantoll.errors import SchemaMismatch
from spantoll.storage import tables
from spantoll.storage.views import make_views

__all__ = ["HEAD", "is_current", "migrate"]

MIGRATIONS = Path(__file__).parent / "migrations"

REVISIONS = sorted(
    path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py")
)
HEAD = REVISIONS[-1]
"""The newest schema. Read off the names of the files: a database that is there needs no Alembic."""

_VERSION = table("alembic_version", column("version_num"))


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
            _check(connection, found)
            _upgrade(connection)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_VERSION.name):
        return None
    return connection.scalar(select(_VERSION.c.version_num))


def _check(connection: Connection, found: str | None) -> None:
    if found is not None and found not in REVISIONS:
        raise SchemaMismatch(
            f"{connection.engine.url} has schema {found}, and this version of SpanToll knows "
            f"schemas up to {HEAD}: a newer version has written it; upgrade spantoll"
        )
    if found is None:
        from spantoll.storage.migrations import unfilled_tables

        ours = {*tables.rate.metadata.tables, *unfilled_tables.NAMES}
        present = inspect(connection).get_table_names()
        # An empty table of versions is made first: what is there with it was interrupted.
        foreign = ours.intersection(present) if _VERSION.name not in present else ()
        if foreign:
            raise SchemaMismatch(
                f"{connection.engine.url} has a table {min(foreign)} that no migration has made: "
                "give the ledger a database of its own"
            )


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    # Config interpolates as configparser does.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    make_views(connection)
