"""The deployment environments that a page offers as filters (`deployment.environment.name`).

Input: what a key may see. Output: the environments of the calls of the last DAYS days, the one with
most calls first. They are read from roll-ups and kept for KEPT_S seconds: no page waits for them
twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Engine

from spantoll.query import Filter, Query, run

__all__ = ["Environments"]

DAYS = 30
MOST = 20
"""Environments in the list; others are filters to write."""
KEPT_S = 60.0
DAY_NS = 24 * 3600 * 10**9

Known = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Environments:
    """The environments that keys with different limits see; for any thread."""

    clock_s: Callable[[], float] = time.monotonic
    kept: dict[tuple[Filter, ...], tuple[float, Known]] = field(default_factory=dict)
    """By what a key is limited to: when they were read, and the names; None is a call of none."""

    def fetch(self, engine: Engine, visible: Sequence[Filter], *, now_ns: int) -> Known:
        """Return the environments that a key sees. Raises StoreUnavailable."""
        key = tuple(visible)
        read_s, known = self.kept.get(key, (0.0, ()))
        if key not in self.kept or self.clock_s() - read_s >= KEPT_S:
            known = read_environments(engine, visible, now_ns=now_ns)
            self.kept[key] = self.clock_s(), known
        return known


def read_environments(engine: Engine, visible: Sequence[Filter], *, now_ns: int) -> Known:
    """Read the environments from whole days of UTC, which roll-ups have."""
    start_ns = max(0, now_ns // DAY_NS - DAYS) * DAY_NS
    query = Query(
        measures=("requests",),
        dimensions=("environment",),
        filters=visible,
        start_ns=start_ns,
        order=("-requests",),
        limit=MOST,
    )
    rows = run(engine, query).rows
    return tuple(None if row["environment"] is None else str(row["environment"]) for row in rows)
