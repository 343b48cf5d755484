from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from spantoll.query import find_recent_start
from spantoll.storage import open_store
from tests.support.records import make_record

HOUR_NS = 3_600 * 10**9
END_NS = 1_795_219_200 * 10**9


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """One call an hour for ten days; the last of them three days before the end."""
    store = open_store("memory:")
    store.write(
        [make_record(started_ns=END_NS - each * HOUR_NS) for each in range(72, 72 + 10 * 24)]
    )
    yield store.engine
    store.close()


@pytest.mark.parametrize(
    ("most", "hours", "name"),
    [
        pytest.param(240, None, "", id="all-of-it"),
        pytest.param(239, 168, "7 days", id="one-too-many"),
        pytest.param(97, 168, "7 days", id="exactly-a-week"),
        pytest.param(96, 24, "24 hours", id="an-empty-day"),
    ],
)
def test_a_long_period_is_shortened_to_what_can_be_read(
    engine: Engine, most: int, hours: int | None, name: str
) -> None:
    start_ns, shortened = find_recent_start(engine, None, END_NS, most=most)

    assert shortened == name
    assert start_ns == (None if hours is None else END_NS - hours * HOUR_NS)


def test_a_period_is_never_made_longer(engine: Engine) -> None:
    start_ns = END_NS - 100 * HOUR_NS

    assert find_recent_start(engine, start_ns, END_NS, most=5) == (
        END_NS - 24 * HOUR_NS,
        "24 hours",
    )
    assert find_recent_start(engine, start_ns, END_NS, most=29) == (start_ns, "")


def test_the_shortest_period_is_read_however_many_it_has(engine: Engine) -> None:
    end_ns = END_NS - 72 * HOUR_NS + 1

    assert find_recent_start(engine, None, end_ns, most=0) == (end_ns - HOUR_NS, "hour")
