"""What `spantoll up` does with a ledger beside receiving.

Input: a store of its own and the settings. Output: a block, during which threads keep the roll-ups
complete. Attributes are promoted before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from spantoll.pipeline.promote import promote_in_empty_ledger
from spantoll.pipeline.roll_ups import keep_roll_ups
from spantoll.settings import Settings
from spantoll.storage import Store
from spantoll.storage.promoted_names import parse_promoted

__all__ = ["keep_ledger"]


@contextmanager
def keep_ledger(store: Store, settings: Settings) -> Iterator[None]:
    """Keep a ledger in order until the block ends. Raises StoreUnavailable before it begins."""
    promote_in_empty_ledger(store, parse_promoted(settings.promoted_attributes))
    with keep_roll_ups(store):
        yield
