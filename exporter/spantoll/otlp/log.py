from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from spantoll.otlp.span import Rejected
from spantoll.semconv.dialect import AttributeValue

__all__ = ["DecodedLogs", "LogRecord"]


class LogRecord(NamedTuple):
    """One decoded OTLP log record; times in UTC nanoseconds, 0 where the sender gave none."""

    trace_id: bytes | None
    span_id: bytes | None
    time_ns: int
    observed_ns: int
    event_name: str
    severity: int
    body: AttributeValue
    attributes: Mapping[str, AttributeValue]
    resource: Mapping[str, AttributeValue]
    scope_name: str
    scope_version: str
    flaws: tuple[str, ...] = ()
    """What was repaired while decoding, in the words of `Span.flaws`."""


class DecodedLogs(NamedTuple):
    """One export request of logs, as `Decoded` is one of traces."""

    records: Sequence[LogRecord]
    received: int
    skipped: int
    rejected: Sequence[Rejected]
    warning: str = ""
