from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from spantoll.errors import StoreUnavailable
from spantoll.query import TraceUrl
from spantoll.settings import Settings, default_database, load_settings
from spantoll.storage import Store, open_store

__all__ = ["Opened", "now_ns", "open_ledger", "prepare", "shown"]


class Opened(NamedTuple):
    """The ledger a command works on."""

    settings: Settings
    store: Store

    @property
    def links(self) -> TraceUrl | None:
        """Where its traces are looked at, if the settings say so. Raises ConfigurationError."""
        return TraceUrl(self.settings.trace_url) if self.settings.trace_url else None

    @property
    def engine(self) -> Engine:
        """For `spantoll.query`."""
        return self.store.engine


@contextmanager
def open_ledger(database: str | None, *, create: bool = False) -> Iterator[Opened]:
    """Open the ledger of the settings. Raises StoreUnavailable, saying how to begin one."""
    settings = load_settings(database=database)
    prepare(settings.database, create=create)
    store = open_store(settings.database)
    try:
        yield Opened(settings, store)
    finally:
        store.close()


def prepare(database: str, *, create: bool) -> None:
    """Refuse to read an SQLite file that is not there; make the directory of the usual one."""
    path = _file(database)
    if path is None or path.exists():
        return
    if not create:
        raise StoreUnavailable(
            f"there is no ledger at {path}: `spantoll up` receives into a new one, "
            "`spantoll ingest FILE` reads files into it"
        )
    if database == default_database():
        path.parent.mkdir(parents=True, exist_ok=True)


def _file(database: str) -> Path | None:
    try:
        url = make_url(database)
    except ArgumentError:
        return None if database.startswith("memory:") else Path(database)
    in_file = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
    return Path(url.database or "") if in_file else None


def now_ns() -> int:
    """Read the clock: the only place where the command line does."""
    return time.time_ns()


def shown(database: str) -> str:
    """Show a database URL without its password."""
    try:
        return make_url(database).render_as_string(hide_password=True)
    except ArgumentError:
        return database
