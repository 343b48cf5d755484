"""The names of what promotes an attribute, and which of them a database is known to have.

Input: the name of an attribute. Output: the name of its index, or of its generated column where
queries must name one: MariaDB 10.11, MySQL and ClickHouse recognise no expression.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256
from weakref import WeakKeyDictionary

from sqlalchemy import Dialect

__all__ = ["PREFIX", "keep_columns", "name_column", "parse_promoted", "read_columns"]

PREFIX = "attr_"
LONGEST = 40
"""Characters of the attribute in the name: PostgreSQL takes 63, of which a prefix and a hash are
the rest."""

PROMOTABLE = re.compile(r"[A-Za-z0-9_.:/@-]{1,128}")
"""Names that need no quoting in the DDL of any database."""

_columns: WeakKeyDictionary[Dialect, frozenset[str]] = WeakKeyDictionary()
"""Dialect, of which each engine has its own -> the generated columns of its database."""


def parse_promoted(names: str) -> tuple[str, ...]:
    """Read comma separated names of attributes. Raises ValueError for one that cannot be."""
    read = tuple(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    for name in read:
        if not PROMOTABLE.fullmatch(name):
            raise ValueError(
                f"{name!r} cannot be promoted: a name has letters, digits and _ . : / @ -"
            )
    return read


def name_column(attribute: str) -> str:
    """Name the generated column of an attribute: readable, and different for every attribute."""
    readable = re.sub(r"[^a-z0-9]+", "_", attribute.lower())[:LONGEST]
    return f"{PREFIX}{readable}_{sha256(attribute.encode()).hexdigest()[:8]}"


def read_columns(dialect: Dialect) -> frozenset[str]:
    """Return the generated columns that the database of a dialect is known to have."""
    return _columns.get(dialect, frozenset())


def keep_columns(dialect: Dialect, names: Iterable[str]) -> None:
    """Let statements that are compiled from now on for a dialect read these generated columns."""
    _columns[dialect] = frozenset(names)
