from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, column, inspect, select, table

from spantoll.errors import SchemaMismatch

__all__ = ["HEAD", "migrate"]

HEAD = "0001"
"""The newest migration; comparing with it spares a start the import of Alembic."""

MIGRATIONS = Path(__file__).parent / "migrations"

_VERSION = table("alembic_version", column("version_num"))


def migrate(engine: Engine) -> None:
    """Bring the schema of a database to this version's.

    One transaction that excludes every other process from its beginning (the engine's `begin` sees
    to that), so of two that start at once one migrates and the other finds it done. Raises
    SchemaMismatch when the database is not one this version can bring up to date.
    """
    with engine.connect() as connection:
        if _revision(connection) == HEAD:
            return
    with engine.begin() as connection:
        found = _revision(connection)
        if found != HEAD:
            _upgrade(connection, found)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_VERSION.name):
        return None
    return connection.scalar(select(_VERSION.c.version_num))


def _upgrade(connection: Connection, found: str | None) -> None:
    known = {path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("*_*.py")}
    if found is not None and found not in known:
        raise SchemaMismatch(
            f"{connection.engine.url!s} has schema {found}, and this version of SpanToll knows "
            f"schemas up to {HEAD}: it was written by a newer version, upgrade spantoll to read it"
        )
    if found is None and (foreign := _foreign_tables(connection)):
        raise SchemaMismatch(
            f"{connection.engine.url!s} holds tables that SpanToll did not make ({foreign}): "
            "give the ledger a database of its own"
        )
    from alembic import command
    from alembic.config import Config

    config = Config()
    # Config interpolates as configparser does.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _foreign_tables(connection: Connection) -> str:
    from spantoll.records.columns import metadata

    return ", ".join(sorted(set(inspect(connection).get_table_names()) & set(metadata.tables)))
