"""Which spans and log records are valid and what is repaired, the same in every encoding.

Input: ids and times as they were sent. Output: what databases can keep, with a flaw noted for each
repair; raises Malformed for what has no identity. Rules of opentelemetry-proto's trace.proto.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from spantoll.otlp.wire import Malformed

__all__ = [
    "LATEST_NS",
    "UNTIMED",
    "check_ids",
    "clamp_time",
    "list_distinct",
    "read_link_id",
    "repair_times",
]

LATEST_NS: Final = 2**63 - 1
"""Databases keep times in signed 64 bits; OTLP sends them unsigned."""

TIME_OUT_OF_RANGE: Final = "time_out_of_range"
END_BEFORE_START: Final = "end_before_start"
START_MISSING: Final = "start_missing"
UNTIMED: Final = frozenset({TIME_OUT_OF_RANGE, END_BEFORE_START, START_MISSING})
"""Flaws that leave the duration of a span unknown."""

_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)


def check_ids(trace_id: bytes, span_id: bytes) -> None:
    """Check that the ids identify a span. Raises Malformed."""
    if len(trace_id) != 16:
        raise Malformed("trace_id is not 16 bytes" if trace_id else "trace_id is missing")
    if trace_id == _NO_TRACE:
        raise Malformed("trace_id is all zero")
    if len(span_id) != 8:
        raise Malformed("span_id is not 8 bytes" if span_id else "span_id is missing")
    if span_id == _NO_SPAN:
        raise Malformed("span_id is all zero")


def read_link_id(raw: bytes, size: int, name: str, flaws: list[str]) -> bytes | None:
    """Read an id that may be absent: a parent, or what a log record belongs to."""
    if not any(raw):
        return None
    if len(raw) != size:
        flaws.append(f"invalid_{name}")
        return None
    return raw


def repair_times(start_ns: int, end_ns: int, flaws: list[str]) -> tuple[int, int]:
    """Make `start <= end` and both storable; a missing start is the end, the nearer guess."""
    start_ns, end_ns = clamp_time(start_ns, flaws), clamp_time(end_ns, flaws)
    if start_ns == 0:
        flaws.append(START_MISSING)
        start_ns = end_ns
    if end_ns < start_ns:
        flaws.append(END_BEFORE_START)
        end_ns = start_ns
    return start_ns, end_ns


def clamp_time(time_ns: int, flaws: list[str]) -> int:
    """Bring a time into what databases can keep."""
    if 0 <= time_ns <= LATEST_NS:
        return time_ns
    flaws.append(TIME_OUT_OF_RANGE)
    return 0 if time_ns < 0 else LATEST_NS


def list_distinct(*flaws: Iterable[str]) -> tuple[str, ...]:
    """List each flaw once, in the order of appearance."""
    return tuple(dict.fromkeys(flaw for some in flaws for flaw in some))
