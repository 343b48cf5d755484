from __future__ import annotations

from collections.abc import Iterable, Sequence

from spantoll.pricing.result import Rate
from spantoll.records.record import UsageRecord
from spantoll.storage.store import Settle, Store, WriteResult

__all__ = ["Ledger"]


class Ledger:
    """A store that is given the rates before the records that name them.

    For one thread at a time.
    """

    def __init__(self, store: Store, *, settle: Settle | None = None) -> None:
        self._store = store
        self._settle = settle
        self._rate_ids: set[int] = set()

    def write(self, records: Sequence[UsageRecord], *, rates: Iterable[Rate]) -> WriteResult:
        """Write as `Store.write` does, and raise what it raises."""
        new = {rate.rate_id: rate for rate in rates if rate.rate_id not in self._rate_ids}
        if new:
            self._store.add_rates(list(new.values()))
            self._rate_ids.update(new)
        return self._store.write(records, settle=self._settle)
