"""The ledger a command works on.

Input: the option `--database` over the settings. Output: the open store, which is closed when the
command ends.
"""

from __future__ import annotations

import getpass
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from spantoll.errors import NoLedger, StoreUnavailable
from spantoll.query import TraceUrl
from spantoll.settings import Settings, default_database, load_settings
from spantoll.storage import Store, open_store

__all__ = ["Opened", "make_directory", "now_ns", "open_ledger", "user_name"]


class Opened(NamedTuple):
    """The ledger a command works on."""

    settings: Settings
    store: Store

    @property
    def links(self) -> TraceUrl | None:
        """Links to traces, if the settings have a trace_url. Raises ConfigurationError."""
        return TraceUrl(self.settings.trace_url) if self.settings.trace_url else None

    @property
    def engine(self) -> Engine:
        """For `spantoll.query`."""
        return self.store.engine


@contextmanager
def open_ledger(database: str | None, *, create: bool = False) -> Iterator[Opened]:
    """Open the ledger of the settings. Raises StoreUnavailable, with how to begin one.

    An error of the database that a command meets becomes StoreUnavailable: one line, no traceback.
    """
    settings = load_settings(database=database)
    if create:
        make_directory(settings.database)
    try:
        store = open_store(settings.database, create=create)
    except NoLedger as error:
        raise StoreUnavailable(
            f"{error}: `spantoll up` receives into a new one, "
            "`spantoll ingest FILE` reads files into it"
        ) from None
    try:
        yield Opened(settings, store)
    except DBAPIError as error:
        raise StoreUnavailable(f"the database cannot be used: {error.orig}") from error
    finally:
        store.close()


def make_directory(database: str) -> None:
    """Make the directory of the default ledger; every other one must be there."""
    if database == default_database():
        Path(database).parent.mkdir(parents=True, exist_ok=True)


def now_ns() -> int:
    """Read the clock: the only place where the command line does."""
    return time.time_ns()


def user_name() -> str:
    """Return who runs the command, for the audit; `unknown` where the system has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
