"""Keep the roll-ups of a ledger small and complete, beside the receiver.

Input: a store of the process's own. Output: roll-ups to which pending records are added, whose
appended rows are merged, and whose gaps are filled from records, at the start and every `EVERY_S`
seconds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from spantoll.pipeline.repeating import IsStopped, repeat
from spantoll.storage import SqlStore, Store
from spantoll.storage.roll_up_fill import fill_gaps
from spantoll.storage.roll_up_merge import merge_roll_ups
from spantoll.storage.roll_up_pending import defers_records
from spantoll.storage.roll_ups import MOST_ADDED, add_pending

__all__ = ["keep_roll_ups"]

EVERY_S = 30.0
"""Queries read every row that is not merged yet: at most what half a minute appends."""
QUIET_FAILURES = 4
"""A receiver under load takes the lock of SQLite again and again for as long as a merge waits for
it. Answers are right without, and slower; after two minutes it is worth a warning."""


@contextmanager
def keep_roll_ups(store: Store, *, every_s: float = EVERY_S) -> Iterator[None]:
    """Merge and fill roll-ups in a thread until the block ends; a step under way is finished.

    A store that is no `SqlStore` has none.
    """
    if not isinstance(store, SqlStore):
        yield
        return

    def keep(is_stopped: IsStopped) -> None:
        added = MOST_ADDED if defers_records(store.engine) else 0
        while added == MOST_ADDED and not is_stopped():
            with store.transaction() as connection:
                added = add_pending(connection)
        # Pauses as long as the transactions: writers have half the time.
        merge_roll_ups(store, pause=time.sleep, is_stopped=is_stopped)
        fill_gaps(store, is_stopped=is_stopped)

    what = "roll-ups are merged and filled"
    with repeat(keep, what=what, every_s=every_s, quiet_failures=QUIET_FAILURES):
        yield
