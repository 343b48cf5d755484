"""What a span costs in a trace or a ledger that grows: CPU of the last writes against the first.

    python benchmarks/growth.py                 # traces that grow to 50,000 spans, 512 a write
    python benchmarks/growth.py --spans 10000
    python benchmarks/growth.py --ledger 10000000    # a ledger, 2,048 a write; takes 7 GB of disk

Each shape is one trace in a ledger of its own in SQLite: calls below one agent that came first,
the same where the agent reports usage, agents of seven calls each below a root, and calls whose
parents are recorded nowhere. Measured is the write with its settling, in CPU time of one thread.
Of a ledger it is all steps from bytes to the commit, with the calls of `load.py`: while it is
empty, and when it has N records, copies of the first ones that SQLite makes by itself.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from spantoll.otlp import Span
from spantoll.pipeline import Ingest, Ledger, make_settle
from spantoll.pricing import RateCard, load_rate_card
from spantoll.records import usage_record
from spantoll.records.keys import SLICE_BITS, SLICE_NS
from spantoll.storage import open_store

if TYPE_CHECKING:
    from benchmarks.load import Traffic
else:  # the folder of a script is where it imports from
    from load import Traffic

WRITE = 512
REQUESTS = 4
"""Of 512 spans each in one write to a ledger, as 4 connections send them."""
LEDGER_WRITES = 20
LEDGER_STEP_NS = 100_000
"""Between two calls: 10,000 a second, about what a receiver takes."""
COMPARED = 5
"""Writes at either end whose median is compared."""
BEGIN_NS = 1_795_176_000 * 10**9
STEP_NS = 50_000_000
CALLS_OF_AGENT = 7
TRACE_ID = b"\1" * 16


class Shape(NamedTuple):
    """How the spans of a trace hang together."""

    name: str
    find_parent: Callable[[int], int | None]
    """Number of a span -> number of its parent; None for the root."""
    is_agent: Callable[[int], bool]
    agents_report_usage: bool = False


def _find_agent(number: int) -> int | None:
    within = (number - 1) % (CALLS_OF_AGENT + 1)
    return None if number == 0 else 0 if within == 0 else number - within


SHAPES = (
    Shape("calls below one agent", lambda n: 0 if n else None, lambda n: n == 0),
    Shape("an agent with usage", lambda n: 0 if n else None, lambda n: n == 0, True),
    Shape("agents below a root", _find_agent, lambda n: _find_agent(n) in (None, 0)),
    Shape("parents not recorded", lambda n: 1_000_000 + n, lambda n: False),
)


def make_span(shape: Shape, number: int, *, last: int) -> Span:
    """Make one span of a trace that ends with the span `last`."""
    is_agent, parent = shape.is_agent(number), shape.find_parent(number)
    attributes: dict[str, Any] = {
        "gen_ai.operation.name": "invoke_agent" if is_agent else "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
    }
    if not is_agent or shape.agents_report_usage:
        attributes["gen_ai.usage.input_tokens"] = 100 + number % 977
        attributes["gen_ai.usage.output_tokens"] = 50 + number % 331
    if not is_agent:
        attributes["gen_ai.response.id"] = f"chatcmpl-{number:020d}"
    start_ns = BEGIN_NS + number * STEP_NS
    return Span(
        trace_id=TRACE_ID,
        span_id=(number + 1).to_bytes(8, "big"),
        parent_span_id=None if parent is None else (parent + 1).to_bytes(8, "big"),
        name="span",
        kind=3,
        start_ns=start_ns,
        end_ns=BEGIN_NS + last * STEP_NS if parent is None else start_ns + 10**9,
        status_code=0,
        status_message="",
        attributes=attributes,
        events=(),
        resource={},
        scope_name="opentelemetry.instrumentation.genai.openai",
        scope_version="1",
        schema_url="",
    )


def measure_writes(shape: Shape, card: RateCard, spans: int, database: Path) -> Iterator[float]:
    """Yield the microseconds of CPU per span of each write."""
    ingest, store = Ingest(card), open_store(f"sqlite:///{database}")
    ledger = Ledger(store, settle=make_settle(card))
    try:
        for first in range(0, spans - WRITE + 1, WRITE):
            some = [make_span(shape, n, last=spans) for n in range(first, first + WRITE)]
            batch = ingest.spans(some, received_ns=BEGIN_NS + spans * STEP_NS)
            began_s = time.process_time()
            ledger.write(batch.records, rates=batch.rates)
            yield (time.process_time() - began_s) / WRITE * 1e6
    finally:
        store.close()


def measure_ledger_writes(
    card: RateCard, traffic: Traffic, database: Path
) -> Iterator[tuple[float, float]]:
    """Yield the microseconds of CPU per record of each write: bytes to records, and the write."""
    ingest, store = Ingest(card), open_store(f"sqlite:///{database}")
    ledger = Ledger(store, settle=make_settle(card))
    try:
        for _ in range(LEDGER_WRITES):
            bodies = [traffic.request() for _ in range(REQUESTS)]
            began_s = time.process_time()
            batches = [ingest.traces(body, received_ns=time.time_ns()) for body in bodies]
            priced_s = time.process_time()
            records = [record for batch in batches for record in batch.records]
            ledger.write(records, rates=[rate for batch in batches for rate in batch.rates])
            done_s = time.process_time()
            yield (
                (priced_s - began_s) / len(records) * 1e6,
                (done_s - priced_s) / len(records) * 1e6,
            )
    finally:
        store.close()


def copy_records(database: Path, total: int) -> None:
    """Copy the records of a ledger, with ids of their own and further and further back in time.

    Roll-ups are left as they are: no write reads those of another day.
    """
    changes = {
        "trace_id": "randomblob(16)",
        "span_id": "randomblob(8)",
        "response_id": "'chatcmpl-' || hex(randomblob(12))",
        "response_key": "CASE WHEN response_key IS NOT NULL THEN random() END",
        "usage_key": f"usage_key - ((:back * :span_ns / {SLICE_NS}) << {SLICE_BITS})",
        "started_ns": "started_ns - :back * :span_ns",
    }
    names = [name for name in usage_record.c.keys() if name != "id"]  # noqa: SIM118  no mapping
    chosen = ", ".join(changes.get(name, name) for name in names)
    statement = (
        f"INSERT INTO usage_record ({', '.join(names)}) "
        f"SELECT {chosen} FROM usage_record WHERE id <= :stored ORDER BY random()"
    )
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        # Nothing here has to survive a crash, and indexes are made faster than they are kept.
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-1000000"):
            connection.execute(f"PRAGMA {pragma}")
        indexes = connection.execute(
            "SELECT name, sql FROM sqlite_master"
            " WHERE type = 'index' AND tbl_name = 'usage_record' AND sql IS NOT NULL"
        ).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
        [(stored, span_ns)] = connection.execute(
            "SELECT count(*), max(started_ns) - min(started_ns) FROM usage_record"
        )
        for back in range(1, total // stored):
            bound = {"back": back, "span_ns": span_ns, "stored": stored}
            connection.execute(statement, bound)
        for _, sql in indexes:
            connection.execute(sql)


def print_ledger(card: RateCard, records: int, directory: Path | None) -> None:
    """Print what a record costs in an empty ledger, and in one that is full."""
    traffic = Traffic(11, batch=WRITE, step_ns=LEDGER_STEP_NS)
    print("records     read  write  us of CPU per record")
    with tempfile.TemporaryDirectory(dir=directory) as folder:
        database, first_us = Path(folder, "ledger.db"), 0.0
        for stored in (0, records):
            if stored:
                copy_records(database, stored)
            # The first writes also prepare the statements and fill the cache of pages.
            costs = list(measure_ledger_writes(card, traffic, database))[LEDGER_WRITES // 4 :]
            read_us, write_us = (statistics.median(each) for each in zip(*costs, strict=True))
            first_us = first_us or read_us + write_us
            print(
                f"{stored:10,}  {read_us:4.0f}  {write_us:5.0f}"
                f"  x {(read_us + write_us) / first_us:.2f}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spans", type=int, default=50_000)
    parser.add_argument("--ledger", type=int, default=0, help="fill a ledger with so many records")
    parser.add_argument("--directory", type=Path, help="where the ledger goes")
    given = parser.parse_args()
    card = load_rate_card()
    if given.ledger:
        print_ledger(card, given.ledger, given.directory)
        return
    print(f"{given.spans:,} spans, {WRITE} a write: us of CPU per span, first writes and last")
    for shape in SHAPES:
        with tempfile.TemporaryDirectory() as directory:
            costs = list(measure_writes(shape, card, given.spans, Path(directory, "ledger.db")))
        # The first write also prepares the statements.
        first, last = (
            statistics.median(costs[1 : 1 + COMPARED]),
            statistics.median(costs[-COMPARED:]),
        )
        print(f"{shape.name:22}  {first:6.0f}  {last:6.0f}  x {last / first:.2f}")


if __name__ == "__main__":
    main()
