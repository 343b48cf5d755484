from __future__ import annotations

import pytest
from sqlalchemy import ColumnElement, String, column, literal
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine import Dialect

from spantoll.storage.json_values import json_number, json_text

ARGUMENTS: tuple[ColumnElement[str], ...] = (column("c"), literal("k", String))


@pytest.mark.parametrize(
    ("dialect", "text", "number"),
    [
        pytest.param(
            sqlite.dialect(paramstyle="named"),
            "CASE json_type(c, '$.\"' || :param_1 || '\"') WHEN 'true' THEN 'true' "
            "WHEN 'false' THEN 'false' "
            "ELSE CAST(json_extract(c, '$.\"' || :param_1 || '\"') AS TEXT) END",
            "CAST(json_extract(c, '$.\"' || :param_1 || '\"') AS NUMERIC)",
            id="sqlite",
        ),
        pytest.param(
            PGDialect_psycopg(paramstyle="named"),  # type: ignore[no-untyped-call]  # SQLAlchemy
            "(CAST(c AS JSON) ->> :param_1::VARCHAR)",
            "CAST((CAST(c AS JSON) ->> :param_1::VARCHAR) AS NUMERIC)",
            id="postgresql",
        ),
        pytest.param(
            mysql.dialect(paramstyle="named"),
            "(JSON_UNQUOTE(JSON_EXTRACT(c, CONCAT('$.\"', :param_1, '\"'))) "
            "COLLATE utf8mb4_0900_bin)",
            "CAST(JSON_UNQUOTE(JSON_EXTRACT(c, CONCAT('$.\"', :param_1, '\"'))) AS DECIMAL(38, 9))",
            id="mysql",
        ),
    ],
)
def test_json_is_spelled_for_each_database(dialect: Dialect, text: str, number: str) -> None:
    assert str(json_text(*ARGUMENTS).compile(dialect=dialect)) == text
    assert str(json_number(*ARGUMENTS).compile(dialect=dialect)) == number
