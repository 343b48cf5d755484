"""What a field of `UsageRecord` declares beside its Python type.

Input: the annotations of a record type. Output: a `ColumnSpec` for each of its fields. The table,
the inserts, merging, dimensions, measures, JSON and CSV are made of these, so that a column is
declared once, in `records/record.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, get_args, get_type_hints

from sqlalchemy import BigInteger, Integer, LargeBinary, String
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

__all__ = [
    "ColumnSpec",
    "Merge",
    "Unit",
    "binary",
    "counter",
    "identity",
    "money",
    "read_specs",
    "text",
]

identity = BigInteger().with_variant(Integer(), "sqlite")
"""A surrogate key: only INTEGER is the rowid of SQLite."""


def text(length: int) -> TypeEngine[str]:
    """Text of bounded length. MariaDB would take `GPT-4O` for `gpt-4o`, and `a ` for `a`."""
    exact = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_nopad_bin")
    mysql_exact = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_0900_bin")
    return String(length).with_variant(exact, "mariadb").with_variant(mysql_exact, "mysql")


def binary(length: int) -> TypeEngine[bytes]:
    """Bytes of bounded length: an id. MariaDB cannot index a BLOB."""
    return LargeBinary(length).with_variant(mysql.VARBINARY(length), "mariadb", "mysql")


class Merge(Enum):
    """Which of several reports of one call the billed record takes a column from."""

    OWN = "own"
    """The billed record's own span."""
    DETAIL = "detail"
    """The first report, in order of rank, that has a value."""
    USAGE = "usage"
    """The same, but only from a report of the same totals."""
    ATTRIBUTION = "attribution"
    """The outermost span that has a value: it is nearest to the application."""
    DERIVED = "derived"
    """None of them: computed from the merged record."""


class Unit(Enum):
    """The unit of a number; the suffix of its name differs in the ledger and in answers."""

    TOKENS = "tokens", "", ""
    IMAGES = "images", "", ""
    CHARACTERS = "characters", "", ""
    REQUESTS = "requests", "", ""
    NANO_USD = "USD", "_nano", "_usd"
    TIME_NS = "time", "_ns", "_at"
    DURATION_NS = "ms", "_ns", "_ms"
    MILLISECONDS = "seconds", "_ms", "_seconds"

    def __init__(self, label: str, suffix: str, outside_suffix: str) -> None:
        self.label = label
        """The unit of answers."""
        self.suffix = suffix
        self.outside_suffix = outside_suffix

    def outside_name(self, name: str) -> str:
        """Name in answers what the column `name` holds: `cost_nano` is shown as `cost_usd`."""
        return name.removesuffix(self.suffix) + self.outside_suffix


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnSpec:
    """One column of `usage_record`: how it is stored, merged, queried and shown."""

    type: TypeEngine[Any]
    unit: Unit | None = None
    merge: Merge = Merge.OWN
    dimension: bool = False
    """Answers can be grouped and filtered by it."""
    measure: str | None = None
    """The help text of its sum, if the sum is a measure."""
    constant: bool = False
    """Its values are constants of this package: no sender can make them too long."""
    shown: bool = True
    """It is part of a record in JSON and CSV."""
    outside: str = ""
    """Its name in answers; `read_specs` fills in the field's, with the unit that is shown."""
    nullable: bool = True
    """`read_specs` reads it off the Python type."""


def counter(unit: Unit, measure: str) -> ColumnSpec:
    """Declare a counter that the provider bills; `measure` is the help text of its sum."""
    return ColumnSpec(type=BigInteger(), unit=unit, merge=Merge.USAGE, measure=measure)


def money(measure: str, *, merge: Merge = Merge.DERIVED) -> ColumnSpec:
    """Declare an amount of money; `measure` is the help text of its sum."""
    return ColumnSpec(type=BigInteger(), unit=Unit.NANO_USD, merge=merge, measure=measure)


def read_specs(record_type: type) -> Mapping[str, ColumnSpec]:
    """Read the column of each field of a record type, in their order."""
    specs = {}
    for name, hint in get_type_hints(record_type, include_extras=True).items():
        python_type, spec = get_args(hint)
        shown_name = spec.unit.outside_name(name) if spec.unit is not None else name
        specs[name] = replace(
            spec,
            outside=spec.outside or shown_name,
            nullable=type(None) in get_args(python_type),
        )
    return specs
