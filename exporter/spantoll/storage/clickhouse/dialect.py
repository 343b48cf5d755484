"""What SQLAlchemy needs to speak to ClickHouse as to the other databases of a ledger.

Input: statements of `storage` and `query`. Output: ClickHouse's SQL, by the dialect of
clickhouse-connect (https://clickhouse.com/docs/integrations/python). Added to that dialect: bytes,
ESCAPE of LIKE, the number of rows that an INSERT wrote, and savepoints, which ClickHouse has not.
"""

from __future__ import annotations

import base64
from types import ModuleType
from typing import Any

from clickhouse_connect import dbapi
from clickhouse_connect.cc_sqlalchemy.dialect import ClickHouseDialect
from clickhouse_connect.cc_sqlalchemy.sql.compiler import ChStatementCompiler
from sqlalchemy import BindParameter, Case, ColumnElement, Float, LargeBinary
from sqlalchemy.dialects import registry
from sqlalchemy.engine.default import DefaultExecutionContext

__all__ = ["DRIVER", "LONGEST_FIXED", "LedgerDialect"]

DRIVER = "clickhousedb.ledger"

LONGEST_FIXED = 64
"""Bytes of a FixedString; longer ones, of any length, are kept as text in base64."""


class _Bytes(LargeBinary):
    """Bytes: the driver reads a FixedString as bytes, and a String as UTF-8."""

    def bind_processor(self, dialect: Any) -> Any:
        """Encode what does not fit a FixedString."""
        if self._is_fixed:
            return None
        return lambda value: None if value is None else base64.b64encode(value).decode()

    def result_processor(self, dialect: Any, coltype: object) -> Any:
        """Decode what does not fit a FixedString."""
        if self._is_fixed:
            return None
        return lambda value: None if value is None else base64.b64decode(value)

    @property
    def _is_fixed(self) -> bool:
        # What is compared with an id is declared without a length.
        return self.length is None or self.length <= LONGEST_FIXED


class _Compiler(ChStatementCompiler):
    def for_update_clause(self, select: Any, **kw: Any) -> str:
        """Lock nothing: ClickHouse has no row locks; the store has one lock for all corrections."""
        return ""

    def visit_floordiv_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        """Divide integers: the operator `/` answers a float."""
        left, right = self.process(binary.left, **kw), self.process(binary.right, **kw)
        return f"intDiv({left}, {right})"

    def visit_truediv_binary(self, binary: Any, operator: Any, **kw: Any) -> str:
        """Divide into a float, of integers too."""
        return f"{self.process(binary.left, **kw)} / {self.process(binary.right, **kw)}"

    def visit_cast(self, cast: Any, **kw: Any) -> str:
        """Convert to a float: CAST takes no NULL, and its FLOAT has 32 bits."""
        if isinstance(cast.type, Float):
            return f"toFloat64({self.process(cast.clause, **kw)})"
        inherited: Any = super()
        text: str = inherited.visit_cast(cast, **kw)
        return text

    def visit_sum_func(self, fn: Any, **kw: Any) -> str:
        """Sum integers in 128 bits: a sum of 64 bits would wrap around."""
        [summed] = fn.clauses
        # ELSE of one value for all other rows, not of a column of a roll-up.
        if (
            isinstance(summed, Case)
            and len(summed.whens) == 1
            and isinstance(summed.else_, BindParameter | None)
        ):
            return self._sum_case(summed, **kw)
        return f"sum({self._widen(summed, **kw)})"

    def _sum_case(self, summed: Case[Any], **kw: Any) -> str:
        """Sum a CASE of one condition by `sumIf`, which makes no column of the values between.

        `sumIf` of no row is NULL, by the setting `aggregate_functions_null_for_empty`. The other
        rows are counted for ELSE, whatever its value is: it is not known when SQL is compiled.
        """
        [(condition, value)] = summed.whens
        where = self.process(condition, **kw)
        total = f"sumIf({self._widen(value, **kw)}, {where})"
        if summed.else_ is None:
            return total
        other = f"(count() - countIf({where}))"
        value_of_other = self.process(summed.else_, **kw)
        return f"if({other} = 0, {total}, ifNull({total}, 0) + {other} * {value_of_other})"

    def _widen(self, summed: ColumnElement[Any], **kw: Any) -> str:
        argument = self.process(summed, **kw)
        return argument if isinstance(summed.type, Float) else f"toInt128({argument})"

    def _raise_on_escape(self, binary: Any, operator_name: str) -> None:
        """Let ESCAPE pass, which ClickHouse understands."""


class _Context(DefaultExecutionContext):
    @property
    def rowcount(self) -> int:
        """How many rows an INSERT of rows wrote; the driver knows only of those it read."""
        if self.isinsert:
            return len(self.compiled_parameters)
        return super().rowcount


class LedgerDialect(ClickHouseDialect):
    """The dialect of clickhouse-connect, for the statements of a ledger."""

    statement_compiler = _Compiler
    execution_ctx_cls = _Context
    colspecs = {**ClickHouseDialect.colspecs, LargeBinary: _Bytes}  # noqa: RUF012  as SQLAlchemy has it
    supports_statement_cache = True

    @classmethod
    def import_dbapi(cls) -> ModuleType:
        """Return the driver."""
        return dbapi

    def do_savepoint(self, connection: Any, name: str) -> None:
        """Do nothing: what an INSERT of one block is given is stored whole or not at all."""

    def do_rollback_to_savepoint(self, connection: Any, name: str) -> None:
        """Do nothing: an INSERT that failed has stored nothing."""

    def do_release_savepoint(self, connection: Any, name: str) -> None:
        """Do nothing."""


registry.register(DRIVER, __name__, LedgerDialect.__name__)
