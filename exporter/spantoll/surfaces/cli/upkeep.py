"""What `spantoll up` does with a ledger beside receiving.

Input: a store of its own, the settings and the rate card. Output: a block, during which threads
keep the roll-ups complete, apply the rules of owners in the file, and delete what is older than the
setting `retention`. Attributes are promoted before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from spantoll.errors import ConfigurationError
from spantoll.pipeline.ledger import Ledger
from spantoll.pipeline.promote import promote_in_empty_ledger
from spantoll.pipeline.repeating import repeat
from spantoll.pipeline.retention_keeper import EVERY_S, RetentionKeeper
from spantoll.pipeline.roll_ups import keep_roll_ups
from spantoll.pipeline.settle import make_settle
from spantoll.pricing import RateCard
from spantoll.query.owner_file import OwnerFile
from spantoll.query.times import subtract_period
from spantoll.query.windows import find_zone
from spantoll.settings import Settings
from spantoll.storage import SqlStore, Store
from spantoll.storage.promoted_names import parse_promoted
from spantoll.surfaces.cli.ledger import now_ns

__all__ = ["keep_ledger"]

OWNERS_S = 2.0
"""How long changed rules of the file are not applied yet."""


@contextmanager
def keep_ledger(
    store: Store, settings: Settings, *, card: RateCard
) -> Iterator[RetentionKeeper | None]:
    """Keep a ledger in order until the block ends; give what deletes records, where that is set.

    Raises ConfigurationError, RetentionError or StoreUnavailable before the block begins.
    """
    owner_file = OwnerFile(store, clock_ns=now_ns)
    owner_file.apply()
    promote_in_empty_ledger(store, parse_promoted(settings.promoted_attributes))
    keeper = _make_retention_keeper(store, settings, card) if settings.retention else None
    with ExitStack() as kept:
        kept.enter_context(keep_roll_ups(store))
        what = "rules of owners are read"
        kept.enter_context(repeat(lambda _: owner_file.follow(), what=what, every_s=OWNERS_S))
        if keeper is not None:
            what = "old records are deleted"
            kept.enter_context(repeat(keeper.delete_due, what=what, every_s=EVERY_S))
        yield keeper


def _make_retention_keeper(store: Store, settings: Settings, card: RateCard) -> RetentionKeeper:
    if not isinstance(store, SqlStore):
        raise ConfigurationError(f"setting retention: {store.url} has no roll-ups")

    def find_before(time_ns: int) -> int:
        utc = find_zone("UTC")
        return subtract_period(settings.retention, field="retention", tz=utc, now_ns=time_ns)

    return RetentionKeeper(
        store,
        find_before,
        settle_pending=Ledger(store, settle=make_settle(card)).settle_pending,
        clock_ns=now_ns,
    )
