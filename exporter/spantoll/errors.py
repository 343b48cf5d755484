"""Errors of the ledger.

SpantollError
├── ConfigurationError      wrong setting, found at start
├── BadRequest              the sender's bytes can never be accepted
│   ├── TooLarge
│   └── UnsupportedMedia
├── EventError              a usage event that cannot be read
├── Unauthenticated         nobody we know sends this
├── StoreUnavailable        may pass: the sender should try again
│   └── NoLedger            there is nothing to read yet
├── RecordRejected          these records can never be stored
├── SchemaMismatch          the database is not at this version's schema
├── QueryError              a question that cannot be answered as put
├── AmendError              a record that cannot be voided
├── CopyError               a ledger that cannot be copied there
├── RepriceError            a re-pricing or a closing of a period that cannot be done as asked
├── RetentionError          records that cannot be deleted
├── OwnerRuleError          a rule of the owner map that is wrong or contradicts another one
├── CustomerPriceError      what a customer pays is ambiguous or contradicts another row
└── BillError               a provider's bill that cannot be read
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "AmendError",
    "BadRequest",
    "BillError",
    "ConfigurationError",
    "CopyError",
    "CustomerPriceError",
    "EventError",
    "NoLedger",
    "OwnerRuleError",
    "QueryError",
    "RecordRejected",
    "RepriceError",
    "RetentionError",
    "SchemaMismatch",
    "SpantollError",
    "StoreUnavailable",
    "TooLarge",
    "Unauthenticated",
    "UnsupportedMedia",
]


class SpantollError(Exception):
    """Root of every error SpanToll raises on purpose."""


class ConfigurationError(SpantollError):
    """Raised when a setting is wrong; names the setting and what it may be."""


class BadRequest(SpantollError):
    """Raised when a request can never be accepted, however often it is sent."""


class TooLarge(BadRequest):
    """Raised when a body exceeds `limit_bytes`, before or after decompression."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"request exceeds {limit_bytes} bytes after decompression")
        self.limit_bytes = limit_bytes


class UnsupportedMedia(BadRequest):
    """Raised when a content type or content encoding is not one we read."""


class EventError(SpantollError):
    """Raised when a usage event cannot be read; `pointer` (RFC 6901) says where."""

    def __init__(self, message: str, *, pointer: str) -> None:
        super().__init__(message)
        self.pointer = pointer


class Unauthenticated(SpantollError):
    """Raised when a request has no token, or none that is known; never quotes it."""


class StoreUnavailable(SpantollError):
    """Raised when nothing was stored and a later attempt may succeed."""


class NoLedger(StoreUnavailable):
    """Raised when a ledger is to be read where there is none yet; `place` says where."""

    def __init__(self, place: str) -> None:
        super().__init__(f"there is no ledger at {place}")
        self.place = place


class RecordRejected(SpantollError):
    """Raised when records can never be stored; everything else in the write was stored.

    `indexes` are positions in the sequence given to `Store.write`; the counts say what became of
    the others.
    """

    def __init__(
        self,
        message: str,
        indexes: Sequence[int],
        *,
        inserted: int = 0,
        duplicates: int = 0,
        corrected: int = 0,
    ) -> None:
        super().__init__(message)
        self.indexes = tuple(indexes)
        self.inserted = inserted
        self.duplicates = duplicates
        self.corrected = corrected


class SchemaMismatch(SpantollError):
    """Raised when the database was written by another schema version and is not upgraded."""


class QueryError(SpantollError):
    """Raised when a query names something unknown; `field` and `allowed` say what."""

    def __init__(self, message: str, *, field: str, allowed: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.field = field
        self.allowed = tuple(allowed)


class AmendError(SpantollError):
    """Raised when a record cannot be voided: there is none, or it is not counted anyway."""


class CopyError(SpantollError):
    """Raised when a ledger cannot be copied: the target has other rows, the source is not ready."""


class RepriceError(SpantollError):
    """Raised when a run of re-pricing or a closing of a period cannot be done; says what can."""


class RetentionError(SpantollError):
    """Raised when records cannot be deleted, or what is asked needs those that are; says why."""


class OwnerRuleError(SpantollError):
    """Raised when a rule of the owner map is wrong, or overlaps another one, named too."""


class CustomerPriceError(SpantollError):
    """Raised when a customer price is wrong or ambiguous, or overlaps another one, named too."""


class BillError(SpantollError):
    """Raised when a bill cannot be read; `file`, `row` and `column` say where."""

    def __init__(
        self, problem: str, *, file: str, row: int | None = None, column: str | None = None
    ) -> None:
        where = [file, *([f"row {row}"] if row else []), *([f"column {column}"] if column else [])]
        super().__init__(f"{', '.join(where)}: {problem}")
        self.file = file
        self.row = row
        self.column = column
