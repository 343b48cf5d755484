from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pytest

from spantoll.records import UsageRecord
from spantoll.storage import Correction, Store, Stored, open_store
from tests.support import clickhouse, mariadb, postgresql
from tests.support.records import stored_records


class Backend(NamedTuple):
    """A database the conformance suite runs on; another one is another entry of BACKENDS."""

    name: str
    url: Callable[[pytest.FixtureRequest], str]
    """Makes a ledger without records."""
    new: Callable[[pytest.FixtureRequest], str] | None = None
    """Makes a database without tables, where `url` copies one that has them."""
    lasts: bool = True
    """What was written is there when the store is opened again, also from another process."""
    shared: bool = False
    """Several processes write at the same time, and settle in a transaction of its own."""


def make_file(request: pytest.FixtureRequest) -> str:
    return f"sqlite:///{request.getfixturevalue('tmp_path')}/ledger.db"


def copy_file(request: pytest.FixtureRequest) -> str:
    url = make_file(request)
    shutil.copy(request.getfixturevalue("empty_ledger"), url.removeprefix("sqlite:///"))
    return url


def drop_after(
    request: pytest.FixtureRequest, drop_database: Callable[[str], None], url: str
) -> str:
    request.addfinalizer(lambda: drop_database(url))
    return url


def make_postgresql(request: pytest.FixtureRequest) -> str:
    server: postgresql.Server = request.getfixturevalue("postgresql_server")
    return drop_after(request, server.drop_database, server.make_database())


def copy_postgresql(request: pytest.FixtureRequest) -> str:
    server: postgresql.Server = request.getfixturevalue("postgresql_server")
    url = server.copy_database(request.getfixturevalue("postgresql_ledger"))
    return drop_after(request, server.drop_database, url)


def make_mariadb(request: pytest.FixtureRequest) -> str:
    server: mariadb.MariadbServer = request.getfixturevalue("mariadb_server")
    return drop_after(request, server.drop_database, server.make_database())


def copy_mariadb(request: pytest.FixtureRequest) -> str:
    server: mariadb.MariadbServer = request.getfixturevalue("mariadb_server")
    url = server.copy_database(request.getfixturevalue("mariadb_ledger"))
    return drop_after(request, server.drop_database, url)


def make_clickhouse(request: pytest.FixtureRequest) -> str:
    server: clickhouse.Server = request.getfixturevalue("clickhouse_server")
    return drop_after(request, server.drop_database, server.make_database())


BACKENDS = [
    Backend("sqlite", copy_file, new=make_file),
    Backend("memory", lambda request: "memory:", lasts=False),
    Backend("postgresql", copy_postgresql, new=make_postgresql, shared=True),
    Backend("mariadb", copy_mariadb, new=make_mariadb, shared=True),
    Backend("clickhouse", make_clickhouse, shared=True),
]


CLICKHOUSE_FILES = {
    "test_clickhouse.py",
    "test_clickhouse_periods.py",
    "test_clickhouse_repricing.py",
    "test_closed_periods.py",
    "test_closing_beside_writers.py",
    "test_store_conformance.py",
    "test_access_keys.py",
    "test_amend.py",
    "test_own_prices.py",
    "test_price_sets.py",
    "test_repricing.py",
    "test_retention.py",
    "test_sent_again.py",
    "test_store_settling.py",
    "test_promoted_attributes.py",
}
"""What runs on ClickHouse. The other files start processes, of which its engine serves one at a
time, need roll-ups, or change many records one by one, which takes it minutes."""

QUICK_FILES = {
    "test_clickhouse.py",
    "test_clickhouse_periods.py",
    "test_clickhouse_repricing.py",
    "test_closing_beside_writers.py",
    "test_promoted_attributes.py",
    "test_retention.py",
    "test_store_conformance.py",
}
"""Of these, what `make test` runs; the rest is left to `make soak`, for a write that settles takes
ClickHouse some tenths of a second, however small."""


LONG_TESTS = {
    "test_any_number_of_calls_may_have_equal_usage",
    "test_more_groups_than_one_list_of_values_takes",
    "test_order_batches_and_resending_change_nothing",
    "test_a_response_id_too_many_share_connects_none",
    "test_a_response_id_as_many_as_may_share_connects_all",
    "test_a_trace_stays_together_when_its_response_id_loses_its_meaning",
}
"""Not run on ClickHouse, which hundreds of writes or versions of a thousand rows take minutes."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run on ClickHouse what can run on it."""
    here = Path(__file__).parent

    def is_on_clickhouse(item: pytest.Item) -> bool:
        return item.path.parent == here and "clickhouse" in item.name.partition("[")[2]

    def is_wanted(item: pytest.Item) -> bool:
        return item.path.name in CLICKHOUSE_FILES and item.name.partition("[")[0] not in LONG_TESTS

    items[:] = [item for item in items if not is_on_clickhouse(item) or is_wanted(item)]
    for item in items:
        if is_on_clickhouse(item) and item.path.name not in QUICK_FILES:
            item.add_marker(pytest.mark.soak)


def rows(store: Store) -> list[UsageRecord]:
    """Read every record, in the order of identity."""
    return stored_records(store.engine)


def settle_repeats(group: Sequence[Stored]) -> list[Correction]:
    """Count once what has one response id, and an aggregate only when it is alone."""
    firsts: dict[str, tuple[Any, ...]] = {}
    for member in group:
        if response_id := member.facts.response_id:
            identity = member.facts[:3]
            firsts[response_id] = min(firsts.get(response_id, identity), identity)
    corrections = []
    for member in group:
        right = member.facts
        first = firsts.get(right.response_id or "", right[:3])
        if first != right[:3]:
            right = right._replace(
                counted=False, counted_reason="repeats", repeats_span=first[1] + first[2]
            )
        elif right.role == "aggregate":
            right = right._replace(counted=len(group) == 1)
        if right != member.current:
            corrections.append(Correction(member.id, right))
    return corrections


@pytest.fixture(params=BACKENDS, ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    found: Backend = request.param
    return found


@pytest.fixture(scope="session")
def postgresql_server(missing: Callable[[str, str], NoReturn]) -> Iterator[postgresql.Server]:
    programs = postgresql.find_programs()
    if programs is None:
        missing("PostgreSQL", postgresql.INSTALL)
    with postgresql.start_server(programs) as server:
        yield server


@pytest.fixture(scope="session")
def postgresql_ledger(postgresql_server: postgresql.Server) -> str:
    """A ledger to copy: making its tables for each test would take longer than many tests."""
    url = postgresql_server.make_database()
    open_store(url).close()
    return url


@pytest.fixture(scope="session")
def mariadb_server(missing: Callable[[str, str], NoReturn]) -> Iterator[mariadb.MariadbServer]:
    programs = mariadb.find_programs()
    if programs is None:
        missing("MariaDB", mariadb.INSTALL)
    with mariadb.start_server(programs) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_ledger(mariadb_server: mariadb.MariadbServer) -> str:
    """A ledger to copy, as `postgresql_ledger` is."""
    url = mariadb_server.make_database()
    open_store(url).close()
    return url


@pytest.fixture(scope="session")
def clickhouse_server(missing: Callable[[str, str], NoReturn]) -> Iterator[clickhouse.Server]:
    programs = clickhouse.find_programs()
    if programs is None:
        missing("chdb", clickhouse.INSTALL)
    with clickhouse.start_server(programs) as server:
        yield server


@pytest.fixture
def url(backend: Backend, request: pytest.FixtureRequest) -> str:
    return backend.url(request)


@pytest.fixture
def new_url(backend: Backend, request: pytest.FixtureRequest) -> str:
    return (backend.new or backend.url)(request)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_store(url)
    yield opened
    opened.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """The file of the SQLite tests, not made yet."""
    return tmp_path / "ledger.db"


@pytest.fixture
def sqlite_store(ledger: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{ledger}?timeout=0.2")
    yield opened
    opened.close()
