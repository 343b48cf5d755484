"""The worked adapter against a server that speaks MongoDB's protocol: FerretDB on SQLite files."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import mongodb_adapter
import pytest
from mongodb_adapter import COLLECTION, MongodbAdapter
from pymongo import MongoClient

from spantoll.adapters import Adapter, StatsFilter, UsageStats, save_ledger
from spantoll.errors import ConfigurationError, StoreUnavailable
from spantoll.query import Filter, Query, run
from spantoll.records import UsageRecord
from spantoll.storage import Store, open_store
from tests.peers.conftest import Peer, peers
from tests.support.ports import free_address
from tests.support.records import NOON_NS, make_record

__all__ = ["peers"]

MEASURES = tuple(name.replace("cost_nano", "cost_usd") for name in UsageStats._fields)
HOUR_NS = 3_600 * 10**9
_names = itertools.count(1)


@pytest.fixture(scope="session")
def server(
    peers: Path, tmp_path_factory: pytest.TempPathFactory, missing: Callable[[str, str], NoReturn]
) -> Iterator[str]:
    """Start FerretDB; return its address."""
    program = peers / "ferretdb"
    if not program.exists():
        missing("FerretDB", "make peers")
    folder, address = tmp_path_factory.mktemp("ferretdb"), free_address()
    peer = Peer([str(program), address, str(folder)], log=folder / "server.log", listens=[address])
    peer.start()
    yield address
    peer.end()


@pytest.fixture
def url(server: str) -> str:
    """Name a database that is empty."""
    return f"mongodb://{server}/usage_{next(_names)}"


@pytest.fixture
def adapter(url: str) -> Iterator[MongodbAdapter]:
    made = MongodbAdapter(url)
    made.connect()
    yield made
    made.disconnect()


@pytest.fixture
def store() -> Iterator[Store]:
    opened = open_store("memory:")
    yield opened
    opened.close()


def read_documents(url: str) -> list[dict[str, object]]:
    with MongoClient[dict[str, object]](url) as client:
        return list(client.get_default_database()[COLLECTION].find().sort("_id"))


def ask_ledger(store: Store, chosen: StatsFilter) -> UsageStats:
    """Answer the same question from the ledger."""
    period = {name: value for name, value in asdict(chosen).items() if name.endswith("_ns")}
    filters = [
        Filter(name, (value,))
        for name, value in asdict(chosen).items()
        if name not in period and value is not None
    ]
    totals = run(store.engine, Query(measures=MEASURES, filters=filters, **period)).totals
    cost_usd = totals.measures["cost_usd"]
    numbers = {**totals.measures, "cost_nano": None if cost_usd is None else int(cost_usd * 10**9)}
    return UsageStats(**{name: numbers[name] for name in UsageStats._fields})  # type: ignore[arg-type]


def save_with_protocol(adapter: Adapter, records: Sequence[UsageRecord]) -> None:
    adapter.save_batch(records[1:])
    adapter.save(records[0])


def test_a_record_saved_twice_is_one_document_with_what_was_saved_last(
    adapter: MongodbAdapter, url: str
) -> None:
    first, other = make_record(cost_nano=1), make_record()
    changed = first._replace(cost_nano=2, counted=False, counted_reason="repeats")

    save_with_protocol(adapter, [first, other, first])
    save_with_protocol(adapter, [changed])

    found = read_documents(url)
    assert len(found) == 2
    assert [each["cost_nano"] for each in found if each["span_id"] == first.span_id.hex()] == [2]
    assert adapter.get_stats(StatsFilter()).requests == 1


@pytest.mark.parametrize(
    "other",
    [{"tenant_id": "other"}, {"trace_id": b"t" * 16}, {"span_id": b"s" * 8}],
    ids=["tenant", "trace", "span"],
)
def test_each_part_of_the_identity_makes_another_record(
    adapter: MongodbAdapter, url: str, other: dict[str, Any]
) -> None:
    record = make_record()

    adapter.save_batch([record, record._replace(**other)])

    assert len(read_documents(url)) == 2


def test_what_is_unknown_is_no_field_and_no_zero(adapter: MongodbAdapter, url: str) -> None:
    adapter.save(make_record(pricing_status="unpriced"))

    [document] = read_documents(url)
    assert "cost_nano" not in document
    assert adapter.get_stats(StatsFilter()) == UsageStats(
        1, 1, 0, None, None, None, cost_nano=None, unpriced_requests=1, latency_avg_ms=None
    )


def make_random_record(chosen: random.Random) -> UsageRecord:
    return make_record(
        project=chosen.choice([None, "search", "chat"]),
        provider=chosen.choice([None, "openai", "anthropic"]),
        model=chosen.choice([None, "gpt-4o", "GPT-4o"]),
        status=chosen.choice(["success", "error", "timeout", "cancelled"]),
        counted=chosen.random() < 0.8,
        pricing_status=chosen.choice(["priced", "free", "estimated", "unpriced"]),
        requests=chosen.randrange(1, 5),
        cost_nano=chosen.randrange(2**53),
        input_tokens=chosen.choice([None, chosen.randrange(2**33)]),
        output_tokens=chosen.choice([None, chosen.randrange(2**33)]),
        duration_ns=chosen.choice([None, chosen.randrange(10**12)]),
        started_ns=chosen.randrange(NOON_NS - HOUR_NS, NOON_NS + HOUR_NS),
    )


FILTERS = {
    "all": StatsFilter(),
    "project": StatsFilter(project="search"),
    "provider-and-model": StatsFilter(provider="openai", model="GPT-4o"),
    "from": StatsFilter(start_ns=NOON_NS),
    "period": StatsFilter(start_ns=NOON_NS - HOUR_NS, end_ns=NOON_NS),
    "nothing": StatsFilter(project="nobody's"),
}


@pytest.fixture(scope="module")
def filled(server: str) -> Iterator[tuple[MongodbAdapter, Store]]:
    """A ledger of random records, and MongoDB with the same."""
    chosen = random.Random(13)
    adapter, store = MongodbAdapter(f"mongodb://{server}/filled"), open_store("memory:")
    store.write([make_random_record(chosen) for _ in range(60)])
    adapter.connect()
    save_ledger(store.engine, adapter, batch_records=25)
    yield adapter, store
    adapter.disconnect()
    store.close()


@pytest.mark.parametrize("chosen", FILTERS.values(), ids=FILTERS)
def test_statistics_equal_those_of_the_ledger(
    filled: tuple[MongodbAdapter, Store], chosen: StatsFilter
) -> None:
    adapter, store = filled

    found = adapter.get_stats(chosen)

    assert found == ask_ledger(store, chosen)


def test_another_run_brings_over_what_has_changed(
    adapter: MongodbAdapter, url: str, store: Store
) -> None:
    store.write([make_record() for _ in range(5)])
    save_ledger(store.engine, adapter)
    store.write([make_record(started_ns=NOON_NS - HOUR_NS)])

    saved = save_ledger(store.engine, adapter, start_ns=NOON_NS - HOUR_NS)

    assert saved == 6
    assert len(read_documents(url)) == 6


def test_only_records_of_the_period_are_saved(adapter: MongodbAdapter, store: Store) -> None:
    store.write([make_record(started_ns=NOON_NS + n) for n in range(-2, 3)])

    saved = save_ledger(store.engine, adapter, start_ns=NOON_NS - 1, end_ns=NOON_NS + 1)

    assert saved == 2


class Failing(MongodbAdapter):
    """Is unavailable as often as it is told, after it has saved."""

    def __init__(self, url: str, failures: int) -> None:
        super().__init__(url)
        self._failures = failures

    def save_batch(self, records: Sequence[UsageRecord]) -> None:
        super().save_batch(records)
        if self._failures:
            self._failures -= 1
            raise StoreUnavailable("no primary")


def test_a_batch_is_saved_again_until_it_is_acknowledged(url: str, store: Store) -> None:
    store.write([make_record() for _ in range(3)])
    adapter, pauses = Failing(url, failures=3), list[float]()
    adapter.connect()

    saved = save_ledger(store.engine, adapter, wait=pauses.append)
    adapter.disconnect()

    assert saved == 3
    assert pauses == [0.5, 1.0, 2.0]
    assert len(read_documents(url)) == 3


def test_a_database_that_stays_away_is_reported(url: str, store: Store) -> None:
    store.write([make_record()])
    adapter, pauses = Failing(url, failures=99), list[float]()
    adapter.connect()

    with pytest.raises(StoreUnavailable, match="no primary"):
        save_ledger(store.engine, adapter, wait=pauses.append)
    adapter.disconnect()

    assert len(pauses) == 4


def test_a_server_that_is_not_there_may_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mongodb_adapter, "SERVER_TIMEOUT_MS", 50)
    adapter = MongodbAdapter(f"mongodb://{free_address()}/usage")

    with pytest.raises(StoreUnavailable, match="MongoDB"):
        adapter.connect()
    adapter.disconnect()


def test_what_is_not_connected_is_unavailable(url: str) -> None:
    adapter = MongodbAdapter(url)
    adapter.disconnect()

    with pytest.raises(StoreUnavailable, match="not connected"):
        adapter.save(make_record())


def test_a_url_without_a_database_is_refused(server: str) -> None:
    adapter = MongodbAdapter(f"mongodb://{server}")

    with pytest.raises(ConfigurationError, match="name a database"):
        adapter.connect()
    adapter.disconnect()


def test_the_example_saves_a_ledger_as_it_is_run(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = open_store(f"{tmp_path}/usage.db")
    ledger.write([make_record(cost_nano=1_250_000_000), make_record(pricing_status="unpriced")])
    ledger.close()

    mongodb_adapter.main(f"{tmp_path}/usage.db", url)

    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert printed[0] == ["2", "records", "saved"]
    assert ["cost_nano", "1,250,000,000"] in printed
    assert ["unpriced_requests", "1"] in printed
