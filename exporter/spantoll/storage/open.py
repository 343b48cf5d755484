"""Open the ledger at a URL or path.

Input: the setting `database`. Output: a `Store`. Only storage reads the URL; everything
above passes it on, or shows it with `hide_password`.
"""

from __future__ import annotations

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from spantoll.errors import ConfigurationError
from spantoll.storage.registry import find_backend
from spantoll.storage.store import Store

__all__ = ["hide_password", "open_store"]

MEMORY = "memory:"
FILE_SCHEME = "sqlite"
"""The kind of database a path without a scheme is a file of."""


def open_store(url: str, *, create: bool = True) -> Store:
    """Open the ledger at `url`, creating it or bringing its schema up to date.

    A URL names its database by scheme; without one it is the path of a SQLite file. `memory:` (or
    `sqlite:///:memory:`) is a ledger for tests that lives as long as the store. Raises
    ConfigurationError for a URL that can never work, SchemaMismatch for a database of another
    version, StoreUnavailable when it may work later: NoLedger when there is none and `create` is
    false.
    """
    parsed = _parse_url(url)
    return find_backend(parsed.get_backend_name())(parsed, create=create)


def hide_password(url: str) -> str:
    """Return the URL or path of a ledger as it may be shown."""
    if url == MEMORY or "://" not in url:
        return url
    return _parse_url(url).render_as_string(hide_password=True)


def _parse_url(url: str) -> URL:
    if url == MEMORY:
        return URL.create(FILE_SCHEME)
    if "://" not in url:
        if not url.strip():
            raise ConfigurationError("database is empty; give the path of a file, or a URL")
        return URL.create(FILE_SCHEME, database=url)
    try:
        return make_url(url)
    except (ArgumentError, ValueError) as error:
        raise ConfigurationError(
            "the database is not a URL; write scheme://user:password@host/name, or the path of a "
            "file"
        ) from error
