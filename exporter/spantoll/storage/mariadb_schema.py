"""How the schema is migrated in MariaDB, which commits before and after every DDL statement.

Input: the engine that writes. Output: the same engine, fit for `migrate`: one process at a time
migrates, by a lock of the session, and a migration that was interrupted can be run again, because
its DDL skips what is done: `ADD COLUMN IF NOT EXISTS`, `DROP TABLE IF EXISTS`
(https://mariadb.com/kb/en/alter-table/).
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Connection, Engine, event, func, inspect, select, text
from sqlalchemy.exc import OperationalError

__all__ = ["LOCK_TIMEOUT_S", "prepare_migration", "release_locks", "set_collation", "take_lock"]

LOCK_TIMEOUT_S = 5
COLLATION = "utf8mb4_nopad_bin"
"""Of columns without a collation of their own: compares bytes, blanks at the end included."""

SKIPPING = (
    (re.compile(r"^\s*CREATE (TABLE|INDEX) (?!IF )"), r"CREATE \1 IF NOT EXISTS "),
    (re.compile(r"^\s*DROP (TABLE|INDEX) (?!IF )"), r"DROP \1 IF EXISTS "),
    (re.compile(r"^\s*(ALTER TABLE \S+) ADD COLUMN (?!IF )"), r"\1 ADD COLUMN IF NOT EXISTS "),
    (re.compile(r"^\s*(ALTER TABLE \S+) DROP (?:COLUMN )?(?!IF )"), r"\1 DROP COLUMN IF EXISTS "),
)
"""DDL of the migrations, and the same DDL that does nothing where it was done before."""


def prepare_migration(engine: Engine) -> None:
    """Make DDL repeatable, and texts of a database without tables comparable byte by byte."""
    if not event.contains(engine, "before_cursor_execute", _skip_what_is_done):
        event.listen(engine, "before_cursor_execute", _skip_what_is_done, retval=True)
    set_collation(engine, COLLATION)


def set_collation(engine: Engine, collation: str) -> None:
    """Give a database that has no tables yet the collation of its texts."""
    with engine.begin() as connection:
        if not inspect(connection).get_table_names():
            connection.execute(text(f"ALTER DATABASE CHARACTER SET utf8mb4 COLLATE {collation}"))


def take_lock(connection: Connection) -> None:
    """Take the lock of those who write to this database, for the session.

    Raises OperationalError when another one keeps it for LOCK_TIMEOUT_S.
    """
    name = func.concat("spantoll ", func.md5(func.database()))
    if connection.scalar(select(func.get_lock(name, LOCK_TIMEOUT_S))) != 1:
        reason = f"another process has been writing for {LOCK_TIMEOUT_S} s"
        raise OperationalError("GET_LOCK", None, Exception(reason))


def release_locks(driver_connection: Any, record: object) -> None:
    """Release what `take_lock` has taken; a connection that is gone has released it."""
    if driver_connection is not None:
        with driver_connection.cursor() as cursor:
            cursor.execute("DO RELEASE_ALL_LOCKS()")


def _skip_what_is_done(
    connection: Connection, cursor: Any, statement: str, parameters: Any, *_: Any
) -> tuple[str, Any]:
    for pattern, repeatable in SKIPPING:
        statement, made = pattern.subn(repeatable, statement, count=1)
        if made:
            break
    return statement, parameters
