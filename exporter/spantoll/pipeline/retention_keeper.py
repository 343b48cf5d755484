"""Delete the records of long ago once a day, beside a receiver that goes on.

Input: a store, and which time a day's deletion goes back to. Output: what `retain_records` does, a
line in the log, and counts for the metrics of the receiver.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

from spantoll.pipeline.repeating import IsStopped
from spantoll.pipeline.retain import retain_records
from spantoll.storage import SqlStore
from spantoll.storage.retention import name_mark, read_deleted_before
from spantoll.storage.roll_ups import DAY_NS

__all__ = ["EVERY_S", "RetentionCounts", "RetentionKeeper"]

log = logging.getLogger(__name__)

EVERY_S = 3600.0
"""How often the day is looked at: records are deleted within an hour after UTC midnight."""
BY = "setting retention"
"""Who deletes, in the audit."""


class RetentionCounts(NamedTuple):
    """What the keeper did since it was made."""

    deleted: int
    """Records."""
    deleted_before_ns: int
    """The mark of the ledger: earlier records are deleted; 0 for none."""


class RetentionKeeper:
    """Deletes what is older than the setting, once for each UTC day.

    Raises RetentionError, when it is made, for a database that would lose the sums, and what
    `find_before` raises.
    """

    def __init__(
        self,
        store: SqlStore,
        find_before: Callable[[int], int],
        *,
        settle_pending: Callable[[], object],
        clock_ns: Callable[[], int],
    ) -> None:
        store.check_retention()
        find_before(clock_ns())
        self._store = store
        self._find_before = find_before
        self._settle_pending = settle_pending
        self._clock_ns = clock_ns
        self._done_ns = 0
        self._counts = RetentionCounts(0, self._read_mark())

    def delete_due(self, is_stopped: IsStopped = lambda: False) -> None:
        """Delete what is due today and was not deleted yet, until `is_stopped`.

        What was not finished is due again. Raises RetentionError and StoreUnavailable.
        """
        now_ns = self._clock_ns()
        before_ns = self._find_before(now_ns)
        day_ns = before_ns - before_ns % DAY_NS
        if day_ns == self._done_ns:
            return
        done = retain_records(
            self._store,
            before_ns,
            by=BY,
            now_ns=now_ns,
            settle_pending=self._settle_pending,
            is_stopped=is_stopped,
        )
        self._counts = RetentionCounts(self._counts.deleted + done.deleted, self._read_mark())
        if done.deleted:
            log.warning(
                "%d records before %s are deleted, their sums stay; %d are kept for later calls",
                done.deleted,
                name_mark(day_ns),
                done.examined - done.deleted,
            )
        if not is_stopped():
            self._done_ns = day_ns

    def read_counts(self) -> RetentionCounts:
        """Return what was done so far; from any thread."""
        return self._counts

    def _read_mark(self) -> int:
        with self._store.engine.connect() as connection:
            return read_deleted_before(connection)
