"""What runs beside the receiver of `spantoll up`, as its settings say."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from spantoll.errors import SpantollError
from spantoll.pipeline.user_pricing import load_user_card
from spantoll.settings import load_settings
from spantoll.storage import Store, open_store
from spantoll.surfaces.cli.upkeep import keep_ledger
from tests.support.records import make_record, stored_records

OLD_NS = 1_735_732_800 * 10**9
"""2025-01-01T12:00:00Z"""
PATIENCE_S = 60


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    with closing(open_store(database)) as opened:
        opened.write(
            [make_record(started_ns=started_ns) for started_ns in (OLD_NS, time.time_ns())]
        )
        yield opened


def test_old_records_are_deleted_where_that_is_set(store: Store) -> None:
    settings = load_settings(retention="30d")

    with keep_ledger(store, settings, card=load_user_card(store.engine)) as keeper:
        assert keeper is not None
        until_s = time.monotonic() + PATIENCE_S
        while not keeper.read_counts().deleted and time.monotonic() < until_s:
            time.sleep(0.01)

    assert [each.started_ns > OLD_NS for each in stored_records(store.engine)] == [True]


def test_nothing_is_deleted_unless_it_is_set(store: Store) -> None:
    with keep_ledger(store, load_settings(), card=load_user_card(store.engine)) as keeper:
        assert keeper is None

    assert len(stored_records(store.engine)) == 2


def test_a_period_before_1970_ends_the_start(store: Store) -> None:
    card = load_user_card(store.engine)

    with (
        pytest.raises(SpantollError, match=r"retention: .*1970"),
        keep_ledger(store, load_settings(retention="900y"), card=card),
    ):
        pass
