from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["format_time"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def format_time(ns: int) -> str:
    """Write a time as its UTC date, or as RFC 3339 where it is not midnight."""
    time = EPOCH + timedelta(microseconds=ns // 1000)
    is_midnight = ns % (86_400 * 10**9) == 0
    return time.date().isoformat() if is_midnight else time.isoformat()
