"""What a span costs in a trace that grows: CPU of the last writes against that of the first ones.

    python benchmarks/growth.py                 # traces that grow to 50,000 spans, 512 a write
    python benchmarks/growth.py --spans 10000

Each shape is one trace in a ledger of its own in SQLite: calls below one agent that came first, the
same where the agent reports usage, agents of seven calls each below a root, and calls whose parents
are recorded nowhere. Measured is the write with its settling, in CPU time of one thread.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from spantoll.otlp import Span
from spantoll.pipeline import Ingest, Ledger, make_settle
from spantoll.pricing import RateCard, load_rate_card
from spantoll.storage import open_store

WRITE = 512
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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spans", type=int, default=50_000)
    given = parser.parse_args()
    card = load_rate_card()
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
