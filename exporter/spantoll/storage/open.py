from __future__ import annotations

from importlib import import_module
from urllib.parse import parse_qsl, unquote

from spantoll.errors import ConfigurationError
from spantoll.storage.store import Store

__all__ = ["open_store"]

SCHEMES = {"sqlite": "spantoll.storage.sqlite", "memory": "spantoll.storage.sqlite"}
"""URL scheme -> the module whose `open_url` opens it. Drivers are imported where used."""

ALLOWED = "sqlite:///relative/path.db, sqlite:////absolute/path.db, a plain path, or memory:"


def open_store(url: str) -> Store:
    """Open the ledger at `url`, creating it or bringing its schema up to date.

    A URL names its database by scheme; without one it is the path of a SQLite file. `memory:` (or
    `sqlite:///:memory:`) is a ledger for tests that lives as long as the store. Raises
    ConfigurationError for a URL that can never work, SchemaMismatch for a database of another
    version, StoreUnavailable when it may work later.
    """
    scheme, separator, rest = url.partition(":")
    scheme = scheme.lower().partition("+")[0]
    # A scheme of one letter is a Windows drive.
    if not separator or len(scheme) == 1 or "/" in scheme or "." in scheme:
        scheme, rest = "sqlite", f"///{url}"
    if scheme not in SCHEMES:
        raise ConfigurationError(f"database {url!r}: unknown scheme {scheme!r}; use {ALLOWED}")
    path, _, query = rest.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    try:
        module = import_module(SCHEMES[scheme])
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"database {url!r} needs {error.name}: pip install 'spantoll[exporter]'"
        ) from error
    opened: Store = module.open_url(scheme, unquote(path), options)
    return opened
