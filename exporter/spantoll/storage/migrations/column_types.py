"""The column types of migrations, apart from those of the code: a migration never changes."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

__all__ = ["binary", "identity", "text"]

identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def text(length: int) -> TypeEngine[str]:
    """Text that MariaDB compares exactly."""
    exact = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_nopad_bin")
    mysql_exact = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_0900_bin")
    return sa.String(length).with_variant(exact, "mariadb").with_variant(mysql_exact, "mysql")


def binary(length: int) -> TypeEngine[bytes]:
    """Bytes that MariaDB can index."""
    return sa.LargeBinary(length).with_variant(mysql.VARBINARY(length), "mariadb", "mysql")
