"""A random ledger and the changes that roll-ups have to follow, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from sqlalchemy import select

from spantoll.records import UsageRecord, usage_record
from spantoll.storage import SqlStore
from spantoll.storage.amend import erase_user, void_record
from spantoll.storage.facts import store_changes, stored
from spantoll.storage.roll_up_merge import merge_roll_ups
from spantoll.storage.roll_ups import DAY_NS, add_pending, open_gap
from tests.query.test_same_answers_everywhere import HOUR_NS, random_record
from tests.storage.conftest import settle_repeats
from tests.support.records import NOON_NS, with_response_key

__all__ = ["CHANGES", "DAYS", "random_call", "roll_up_pending"]

DAYS = 5


def random_call(random: Random) -> UsageRecord:
    """Make a record of the last days; one in four repeats a call of another record."""
    record = random_record(random)._replace(
        started_ns=NOON_NS - random.randrange(DAYS * 24 * HOUR_NS),
        pricing_reason=random.choice([None, "unknown_model"]),
    )
    shared = random.random() < 0.25
    return (
        with_response_key(record._replace(response_id=f"r{random.randrange(20)}"))
        if shared
        else record
    )


RANDOM = Random(7)
FIRST, LATE = ([random_call(RANDOM) for _ in range(80)] for _ in range(2))


def change_prices(store: SqlStore, *, cost_nano: int | None) -> None:
    status = "unpriced" if cost_nano is None else "priced"
    with store.transaction() as connection:
        chosen = select(usage_record).where(usage_record.c.model == "claude")
        members = [stored(row) for row in connection.execute(chosen)]
        store_changes(
            connection,
            [
                (
                    each,
                    each._replace(
                        current=each.current._replace(cost_nano=cost_nano, pricing_status=status)
                    ),
                )
                for each in members
            ],
        )


def open_gaps(store: SqlStore) -> None:
    with store.transaction() as connection:
        open_gap(connection, NOON_NS - 2 * DAY_NS, NOON_NS - DAY_NS)
        open_gap(connection, NOON_NS - 4 * DAY_NS, NOON_NS - 4 * DAY_NS + 1)


def roll_up_pending(store: SqlStore) -> int:
    """Add all pending records to the roll-ups, as an idle writer does."""
    added = 0
    with store.transaction() as connection:
        while more := add_pending(connection):
            added += more
    return added


def void_largest(store: SqlStore) -> None:
    with store.engine.connect() as connection:
        counted = select(usage_record.c.id).where(usage_record.c.counted)
        number = connection.scalar(counted.order_by(usage_record.c.cost_nano.desc()).limit(1))
    assert number is not None
    void_record(store, number, why="test", by="test", now_ns=NOON_NS)


CHANGES: Mapping[str, Callable[[SqlStore], object]] = {
    "written": lambda store: store.write(FIRST),
    "rolled up": roll_up_pending,
    "late records and merges": lambda store: store.write(LATE, settle=settle_repeats),
    "re-priced": lambda store: change_prices(store, cost_nano=12_345),
    "cost unknown": lambda store: change_prices(store, cost_nano=None),
    "rolled up after changes": roll_up_pending,
    "merged rows": merge_roll_ups,
    "void": void_largest,
    "erased": lambda store: erase_user(store, "ann", why="test", by="test", now_ns=NOON_NS),
    "gaps": open_gaps,
}
