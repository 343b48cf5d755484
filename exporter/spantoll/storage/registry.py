"""The kinds of database a ledger can be in.

Input: the scheme of a URL. Output: the function that opens such a URL. Built-in backends are listed
here in the form in which other packages declare theirs: an entry point of the group
`spantoll_stores`, named by the scheme, whose object is an `OpenUrl`.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Protocol

from sqlalchemy import URL

from spantoll.errors import ConfigurationError
from spantoll.storage.store import Store

__all__ = ["GROUP", "OpenUrl", "find_backend"]

GROUP = "spantoll_stores"

MODULES = {
    "sqlite": "sqlite",
    "postgresql": "postgresql",
    "mariadb": "mariadb",
    "mysql": "mysql",
    "clickhouse": "clickhouse",
}
"""Scheme -> module of `spantoll.storage`."""

BUILT_IN = tuple(
    EntryPoint(name=scheme, value=f"spantoll.storage.{module}:open_url", group=GROUP)
    for scheme, module in MODULES.items()
)


class OpenUrl(Protocol):
    """A backend: it opens the URLs of one scheme. Its module imports the driver."""

    def __call__(self, url: URL, *, create: bool) -> Store:
        """Open the ledger at `url` and bring its schema up to date.

        Raises what `open_store` raises; without `create`, NoLedger where there is none yet.
        """


def find_backend(scheme: str) -> OpenUrl:
    """Find what opens URLs of a scheme. Raises ConfigurationError where none is declared."""
    declared = {each.name: each for each in BUILT_IN}
    if scheme not in declared:
        # Looking through what is installed takes time, which a built-in backend does not need.
        declared |= {each.name: each for each in entry_points(group=GROUP)}
    if scheme not in declared:
        raise ConfigurationError(
            f"database: unknown scheme {scheme!r}; give the path of a file, or a URL that begins "
            f"with {' or '.join(f'{name}://' for name in sorted(declared))}"
        )
    try:
        found: OpenUrl = declared[scheme].load()
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"database: {scheme}:// needs {error.name}; "
            f"pip install 'spantoll[{EXTRAS.get(scheme, scheme)}]'"
        ) from error
    return found


EXTRAS = {"sqlite": "exporter", "mariadb": "mysql"}
"""Scheme -> the extra that installs its driver, where the two have different names."""
