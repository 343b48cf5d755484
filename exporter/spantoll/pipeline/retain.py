"""Delete the records that started before a day, and keep their sums, beside a receiver.

Input: a store, and the time before which records are not kept. Output: what was deleted. Roll-ups
are completed and what waits is settled first: neither can be done without the records.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from spantoll.errors import RetentionError
from spantoll.storage import SqlStore
from spantoll.storage.retention_run import Deletion, plan_retention
from spantoll.storage.roll_up_fill import fill_gaps

__all__ = ["retain_records"]

ATTEMPTS = 5
"""To settle what receivers have written and not settled; each write settles its own at once."""


def retain_records(
    store: SqlStore,
    before_ns: int,
    *,
    by: str,
    now_ns: int,
    settle_pending: Callable[[], object],
    progress: Callable[[Deletion], None] = lambda done: None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Deletion:
    """Delete the records that started before the UTC day of `before_ns`; return how many.

    Raises RetentionError where their sums would be lost, and StoreUnavailable. A deletion that was
    interrupted, or stopped by `is_stopped` after a batch, goes on when it is started again.
    """
    store.check_retention()
    planned = plan_retention(store.engine, before_ns)
    if not planned.records:
        return Deletion(0, 0)
    fill_gaps(store)
    for _ in range(ATTEMPTS):
        settle_pending()
        if store.move_mark(planned, by=by, now_ns=now_ns):
            return _delete_in_turns(store, planned.deleted_before_ns, progress, is_stopped)
    raise RetentionError(
        f"{store.url} has records that are not settled, so that their sums may change: "
        "see `spantoll doctor`"
    )


def _delete_in_turns(
    store: SqlStore,
    mark_ns: int,
    progress: Callable[[Deletion], None],
    is_stopped: Callable[[], bool],
) -> Deletion:
    """Delete batch after batch, with pauses as long as the batches: writers have half the time."""
    began_s = time.monotonic()

    def pause() -> None:
        nonlocal began_s
        time.sleep(time.monotonic() - began_s)
        began_s = time.monotonic()

    return store.delete_records(mark_ns, pause=pause, progress=progress, is_stopped=is_stopped)
