"""What each database costs: rows per second, bytes a record, and milliseconds a question.

    python benchmarks/databases.py                                   # all four, 50,000 records each
    python benchmarks/databases.py --databases sqlite,postgresql --records 200000
    python benchmarks/databases.py --databases clickhouse --records 10000000

Starts the servers as the tests do, in a temporary directory and without waiting for a disk, and
prints tables in Markdown. Each figure has beside it the same rows or the same question in the
database's own SQL, in the same run: only the ratios can be compared between machines. Answers are
compared; one that differs ends the run. Beyond 100,000 records a ledger in ClickHouse is multiplied
by the engine itself, and one record of 50 gets a corrected version; all weeks but the last one are
then merged, which ClickHouse does an hour after their last write.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from unittest import mock

from sqlalchemy import create_engine, make_url

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support import clickhouse, mariadb, postgresql

from spantoll.pipeline import Ingest, Ledger, make_settle
from spantoll.pricing import load_rate_card
from spantoll.query import Filter, Query, RecordQuery, list_records, run
from spantoll.records import UsageRecord
from spantoll.records.columns import usage_record
from spantoll.records.record import COLUMNS
from spantoll.storage import SqlStore, open_store, shared, sql
from spantoll.storage.clickhouse.blocks import insert_columns
from spantoll.storage.insert import pick_filled
from spantoll.storage.postgresql import COPY, TYPES
from spantoll.storage.roll_up_merge import merge_roll_ups
from spantoll.storage.roll_ups import add_pending

if TYPE_CHECKING:
    from benchmarks.load import Traffic
    from benchmarks.questions import DAY_NS, DAYS, check, list_cases, make_batches, median_ms
else:  # the folder of a script is where it imports from
    from load import Traffic
    from questions import DAY_NS, DAYS, check, list_cases, make_batches, median_ms

GROUP = 4_096
"""Records of one write: what a receiver commits together under load."""
TURNS = 2
"""In which records are written in each of the three ways; the fastest of each counts."""
MULTIPLIED = 100_000
"""Records of a ledger in ClickHouse that are written one by one; more are made of these."""
COPIES = 10
"""Of these, made by one statement."""
CORRECTED = 50
"""One record of so many gets a corrected version."""
MARIADB_CACHE = 1 << 30
COPY_RECORDS = COPY.replace("incoming", "usage_record")


class Kind(NamedTuple):
    """One kind of database."""

    name: str
    start: Callable[[], AbstractContextManager[Callable[[], str]]]
    """Starts what it needs; yields a function that makes an empty database and returns its URL."""
    load: Callable[[str, Sequence[Sequence[UsageRecord]]], None]
    """Loads records past SpanToll: the fastest way of the driver, one transaction a group."""
    sizes: tuple[str, ...]
    """What makes the tables compact, and then selects the bytes of all tables and indexes, and of
    `usage_record` with its indexes."""


class Written(NamedTuple):
    """Seconds for the same records."""

    raw: float
    without_roll_ups: float
    with_roll_ups: float


@contextmanager
def start_sqlite() -> Iterator[Callable[[], str]]:
    with tempfile.TemporaryDirectory() as directory:
        numbers = iter(range(10**6))
        yield lambda: f"sqlite:///{directory}/ledger{next(numbers)}.db"


@contextmanager
def start_postgresql() -> Iterator[Callable[[], str]]:
    programs = postgresql.find_programs() or sys.exit(postgresql.INSTALL)
    with postgresql.start_server(programs) as server:
        yield server.make_database


@contextmanager
def start_mariadb() -> Iterator[Callable[[], str]]:
    programs = mariadb.find_programs() or sys.exit(mariadb.INSTALL)
    with mariadb.start_server(programs) as server:
        with server.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"SET GLOBAL innodb_buffer_pool_size = {MARIADB_CACHE}")
        yield server.make_database


@contextmanager
def start_clickhouse() -> Iterator[Callable[[], str]]:
    programs = clickhouse.find_programs() or sys.exit(clickhouse.INSTALL)
    with clickhouse.start_server(programs) as server:
        yield server.make_database


def load_rows(url: str, groups: Sequence[Sequence[UsageRecord]], mark: str = "?") -> None:
    """INSERT many rows by `executemany`, which PyMySQL makes statements of many rows of."""
    engine = create_engine(make_url(url))
    names, pick = pick_filled([record for group in groups for record in group])
    statement = (
        f"INSERT INTO usage_record ({', '.join(names)}) VALUES ({', '.join([mark] * len(names))})"
    )
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=16000"):
                connection.exec_driver_sql(f"PRAGMA {pragma}")
            connection.commit()
        for group in groups:
            connection.exec_driver_sql(statement, list(map(pick, group)))
            connection.commit()
    engine.dispose()


def load_mariadb(url: str, groups: Sequence[Sequence[UsageRecord]]) -> None:
    load_rows(url.replace("mariadb:", "mariadb+pymysql:"), groups, "%s")


def load_postgresql(url: str, groups: Sequence[Sequence[UsageRecord]]) -> None:
    """COPY in binary into the table itself."""
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        driver = cast(Any, connection.connection.driver_connection)
        for group in groups:
            with driver.cursor() as cursor, cursor.copy(COPY_RECORDS) as copy:
                copy.set_types(TYPES)
                for record in group:
                    copy.write_row(record)
            driver.commit()
    engine.dispose()


def load_clickhouse(url: str, groups: Sequence[Sequence[UsageRecord]]) -> None:
    """Insert blocks of columns in ClickHouse's native format."""
    columns = [usage_record.c[name] for name in ("id", *COLUMNS)]
    with open_sql(url).engine.connect() as connection:
        first = 1
        for group in groups:
            ids = range(first, first + len(group))
            values = [list(ids), *map(list, zip(*group, strict=True))]
            insert_columns(connection, usage_record.name, columns, values)
            first += len(group)


KINDS = (
    Kind(
        "sqlite",
        start_sqlite,
        load_rows,
        (
            "SELECT (SELECT sum(pgsize) FROM dbstat), (SELECT sum(pgsize) FROM dbstat WHERE name "
            "IN (SELECT name FROM sqlite_master WHERE tbl_name = 'usage_record'))",
        ),
    ),
    Kind(
        "postgresql",
        start_postgresql,
        load_postgresql,
        (
            "SELECT (SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' "
            "AND relnamespace = 'public'::regnamespace), pg_total_relation_size('usage_record')",
        ),
    ),
    Kind(
        "mariadb",
        start_mariadb,
        load_mariadb,
        (
            "ANALYZE TABLE usage_record",
            "SELECT sum(data_length + index_length), sum(CASE table_name WHEN 'usage_record' "
            "THEN data_length + index_length END) FROM information_schema.tables "
            "WHERE table_schema = database()",
        ),
    ),
    Kind(
        "clickhouse",
        start_clickhouse,
        load_clickhouse,
        (
            "SELECT sum(bytes_on_disk), sumIf(bytes_on_disk, table = 'usage_record') "
            "FROM system.parts WHERE active AND database = currentDatabase()",
        ),
    ),
)


def open_sql(url: str) -> SqlStore:
    store = open_store(url)
    if not isinstance(store, SqlStore):
        raise SystemExit("no SQL database")
    return store


def make_records(number: int) -> tuple[list[UsageRecord], float]:
    """Make records of requests; return also the seconds it takes to decode and price them."""
    ingest, traffic = Ingest(load_rate_card()), Traffic(99, batch=512)
    made: list[UsageRecord] = []
    spent_s = 0.0
    while len(made) < number:
        body = traffic.request()
        started_s = time.perf_counter()
        made.extend(ingest.traces(body, received_ns=time.time_ns()).records)
        spent_s += time.perf_counter() - started_s
    return made[:number], spent_s * number / len(made)


def measure_writes(
    kind: Kind, make_url: Callable[[], str], groups: Sequence[Sequence[UsageRecord]]
) -> Written:
    """Write the same records in three ways, each into a database with empty tables."""
    settle = make_settle(load_rate_card())

    def spend_raw() -> float:
        url = make_url()
        open_store(url).close()
        started_s = time.perf_counter()
        kind.load(url, groups)
        return time.perf_counter() - started_s

    def spend() -> float:
        """Store and settle the groups, as a receiver does; return the seconds."""
        store = open_sql(make_url())
        ledger = Ledger(store, settle=settle)
        started_s = time.perf_counter()
        for group in groups:
            ledger.write(list(group), rates=())
        spent_s = time.perf_counter() - started_s
        store.close()
        return spent_s

    raw_s, without_s, with_s = [], [], []
    without: Any = mock.Mock(return_value=None)
    for _ in range(TURNS):
        raw_s.append(spend_raw())
        with (
            mock.patch.object(sql, "add_records", without),
            mock.patch.object(sql, "add_pending", without),
            mock.patch.object(shared, "add_records", without),
        ):
            without_s.append(spend())
        with_s.append(spend())
    return Written(min(raw_s), min(without_s), min(with_s))


def fill(kind: Kind, store: SqlStore, number: int) -> None:
    """Fill a ledger with records of 30 days."""
    is_multiplied = kind.name == "clickhouse" and number > MULTIPLIED
    for batch in make_batches(MULTIPLIED if is_multiplied else number):
        store.write(batch)
    if is_multiplied:
        multiply(store, number)
    with store.transaction() as connection:
        add_pending(connection)
    merge_roll_ups(store)
    if kind.name == "postgresql":  # as autovacuum does after a minute
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("SET default_transaction_read_only = off")
            connection.exec_driver_sql("VACUUM ANALYZE")


def multiply(store: SqlStore, number: int) -> None:
    """Copy the records of a ledger in ClickHouse, and correct some of all of them.

    Copies have ids, times and counts of their own: what is equal takes hardly any space.
    """
    shift_ns = f"copy * {DAYS * DAY_NS // number}"
    changed = {
        "id": f"id + copy * {10 * MULTIPLIED}",
        "trace_id": "toFixedString(sipHash128(trace_id, copy), 16)",
        "span_id": "reinterpretAsFixedString(sipHash64(span_id, copy))",
        "started_ns": f"started_ns - {shift_ns}",
        "received_ns": f"received_ns - {shift_ns}",
        "duration_ns": "duration_ns + sipHash64(trace_id, copy) % 1000000",
        "input_tokens": "input_tokens + sipHash64(copy, trace_id) % 100",
    }
    with store.engine.connect() as connection:
        names = [column.name for column in usage_record.columns]
        values = ", ".join(changed.get(name, name) for name in names)
        insert = f"INSERT INTO usage_record ({', '.join(names)})"
        for first in range(1, number // MULTIPLIED, COPIES):
            copies = f"range({first}, {min(first + COPIES, number // MULTIPLIED)})"
            connection.exec_driver_sql(
                f"{insert} SELECT {values} FROM (SELECT *, arrayJoin({copies}) AS copy "
                f"FROM usage_record WHERE id <= {10 * MULTIPLIED}) "
                f"SETTINGS final = 0, max_insert_threads = {os.cpu_count()}"
            )
        corrected = ", ".join("cost_nano + 1" if name == "cost_nano" else name for name in names)
        connection.exec_driver_sql(
            f"{insert} SELECT {corrected} FROM usage_record WHERE id % {CORRECTED} = 0"
        )
        # What ClickHouse does with a week that has got nothing for an hour; the last one is left.
        weeks = connection.exec_driver_sql(
            "SELECT DISTINCT partition FROM system.parts WHERE active AND table = 'usage_record' "
            "AND database = currentDatabase() ORDER BY toInt64(partition)"
        ).fetchall()
        for (week,) in weeks[:-1]:
            connection.exec_driver_sql(f"OPTIMIZE TABLE usage_record PARTITION {week} FINAL")


def measure_questions(store: SqlStore, rounds: int) -> dict[str, tuple[float, float]]:
    """Return the milliseconds of each question: answered by SpanToll, and by raw SQL."""
    spent: dict[str, tuple[float, float]] = {}
    with store.engine.connect() as connection:

        def fetch(statement: str) -> Sequence[Sequence[Any]]:
            return connection.exec_driver_sql(statement).fetchall()

        for case in list_cases(store.engine.dialect.name):
            check(case, run(store.engine, case.query), fetch(case.sql))
            spent[case.name] = (
                median_ms(lambda query=case.query: run(store.engine, query), rounds),  # type: ignore[misc]  # bound now
                median_ms(lambda text=case.sql: fetch(text), 1),  # type: ignore[misc]  # bound now
            )
        users = run(store.engine, Query(measures=["requests"], dimensions=["user_id"], limit=1))
        user = users.rows[0].dimensions["user_id"]
        newest = RecordQuery(filters=[Filter("user_id", (user,))], limit=50)
        text = (
            f"SELECT * FROM usage_record WHERE counted AND user_id = '{user}' "
            "ORDER BY started_ns DESC, id DESC LIMIT 50"
        )
        found = [each.id for each in list_records(store.engine, newest).records]
        if found != [row[0] for row in fetch(text)]:
            raise SystemExit("newest 50 of a user: SpanToll and the raw SQL answer differently")
        spent["newest 50 of a user"] = (
            median_ms(lambda: list_records(store.engine, newest), rounds),
            median_ms(lambda: fetch(text), rounds),
        )
    return spent


def measure_sizes(kind: Kind, store: SqlStore, number: int) -> tuple[float, float]:
    """Return the bytes a record takes, and those of its part of the roll-ups, with indexes."""
    with store.engine.connect() as connection:
        *before, select = kind.sizes
        for statement in before:
            connection.exec_driver_sql(statement)
        total, records = connection.exec_driver_sql(select).one()
    return int(records) / number, int(total - records) / number


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print()
    for row in (titles, ["---"] * len(titles), *rows):
        print(f"| {' | '.join(row)} |", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--databases", default=",".join(kind.name for kind in KINDS))
    parser.add_argument("--records", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5, help="of each question")
    given = parser.parse_args(arguments)
    kinds = [kind for kind in KINDS if kind.name in given.databases.split(",")]

    number = given.records
    made, decode_s = make_records(min(number, MULTIPLIED))
    groups = [made[start : start + GROUP] for start in range(0, len(made), GROUP)]
    written: list[list[str]] = []
    asked: dict[str, list[str]] = {}
    for kind in kinds:
        with kind.start() as make_database:
            times = measure_writes(kind, make_database, groups)
            store = open_sql(make_database())
            fill(kind, store, number)
            for name, (ours, raw) in measure_questions(store, given.rounds).items():
                asked.setdefault(name, []).append(f"{ours:.1f} / {raw:.1f}")
            record, roll_ups = measure_sizes(kind, store, number)
            store.close()
        plain_s, rolled_s = times.without_roll_ups, times.with_roll_ups
        written.append(
            [
                kind.name,
                *(f"{len(made) / seconds:,.0f}" for seconds in times),
                f"{times.raw / rolled_s:.2f}",
                f"{(decode_s + plain_s) / (decode_s + rolled_s):.2f}",
                f"{record:,.0f}",
                f"{roll_ups:,.0f}",
            ]
        )
    print(f"{number:,} records, {os.cpu_count()} CPUs shared with the servers")
    print_table(
        [
            "database",
            "raw rows/s",
            "without roll-ups",
            "with roll-ups",
            "of raw",
            "ingest with / without roll-ups",
            "bytes a record",
            "bytes of roll-ups a record",
        ],
        written,
    )
    titles = [f"ms, {kind.name} / its raw SQL" for kind in kinds]
    print_table(["question", *titles], [[name, *row] for name, row in asked.items()])


if __name__ == "__main__":
    main()
