"""Keep the roll-ups of a ledger small and complete, beside the receiver.

Input: a store of the process's own. Output: roll-ups whose gaps are filled from records, and whose
appended rows are merged, at the start and every `EVERY_S` seconds.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from spantoll.errors import StoreUnavailable
from spantoll.storage import SqlStore, Store
from spantoll.storage.roll_up_fill import fill_gaps
from spantoll.storage.roll_up_merge import merge_roll_ups

__all__ = ["keep_roll_ups"]

log = logging.getLogger(__name__)

EVERY_S = 30.0
"""Queries read every row that is not merged yet: at most what half a minute appends."""


@contextmanager
def keep_roll_ups(store: Store, *, every_s: float = EVERY_S) -> Iterator[None]:
    """Merge and fill roll-ups in a thread until the block ends; a step under way is finished.

    A store that is no `SqlStore` has none.
    """
    if not isinstance(store, SqlStore):
        yield
        return
    keeper = _Keeper(store, every_s)
    keeper.start()
    try:
        yield
    finally:
        keeper.closed.set()
        keeper.join()


class _Keeper(Thread):
    def __init__(self, store: SqlStore, every_s: float) -> None:
        super().__init__(name="spantoll-roll-ups", daemon=True)
        self.closed = Event()
        self._store = store
        self._every_s = every_s

    def run(self) -> None:
        """Merge and fill, again and again."""
        while not self.closed.is_set():
            self._keep()
            self.closed.wait(self._every_s)

    def _keep(self) -> None:
        try:
            merge_roll_ups(self._store)
            fill_gaps(self._store, is_stopped=self.closed.is_set)
        except StoreUnavailable as error:
            log.warning("roll-ups are merged and filled %d s later: %s", self._every_s, error)
        # The receiver goes on without: its answers come from records meanwhile.
        except Exception:
            log.exception("roll-ups are merged and filled %d s later", self._every_s)
