from __future__ import annotations

from importlib import import_module

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from spantoll.errors import ConfigurationError
from spantoll.storage.store import Store

__all__ = ["open_store"]

MODULES = {"sqlite": "spantoll.storage.sqlite"}
"""URL scheme -> the module whose `open_url` opens it. Drivers are imported where used."""

ALLOWED = "sqlite:///relative/path.db, sqlite:////absolute/path.db, a plain path, or memory:"


def open_store(url: str) -> Store:
    """Open the ledger at `url`, creating it or bringing its schema up to date.

    A URL names its database by scheme; without one it is the path of a SQLite file. `memory:` (or
    `sqlite:///:memory:`) is a ledger for tests that lives as long as the store. Raises
    ConfigurationError for a URL that can never work, SchemaMismatch for a database of another
    version, StoreUnavailable when it may work later.
    """
    parsed = _parsed(url)
    scheme = parsed.get_backend_name()
    if scheme not in MODULES:
        raise ConfigurationError(f"database {parsed}: unknown scheme {scheme!r}; use {ALLOWED}")
    try:
        module = import_module(MODULES[scheme])
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"database {parsed} needs {error.name}: pip install 'spantoll[exporter]'"
        ) from error
    opened: Store = module.open_url(parsed)
    return opened


def _parsed(url: str) -> URL:
    if url == "memory:":
        return URL.create("sqlite")
    if "://" not in url:
        if not url.strip():
            raise ConfigurationError(f"database is empty; use {ALLOWED}")
        return URL.create("sqlite", database=url)
    try:
        return make_url(url)
    except (ArgumentError, ValueError) as error:
        raise ConfigurationError(f"the database is not a URL; use {ALLOWED}") from error
