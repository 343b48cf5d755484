"""Captured telemetry of third-party instrumentations against the truth of what was called.

Input: the requests of each case under tests/data/corpus, and its expected.json. All go to one
ledger, each case as a tenant of its own: calls of two tenants are never connected.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import RowMapping, select

from spantoll.pipeline import Ingest, Ledger, make_settle
from spantoll.pricing import load_rate_card
from spantoll.records import usage_record
from spantoll.storage import open_store
from tests.receiver.corpus_records import COUNTERS

CORPUS = Path(__file__).parents[1] / "data" / "corpus"
CASES = sorted(path.parent for path in CORPUS.glob("*/*/expected.json"))

TOTALS = ("input_tokens", "output_tokens")
PARTS_THAT_MUST_BE_READ = ("cached_read", "cache_creation")


Bill = Callable[[Path], list[RowMapping]]


@pytest.fixture(scope="module")
def bill() -> Iterator[Bill]:
    """Write a case and return its counted records: the whole way but for the network."""
    card = load_rate_card()
    ingest = Ingest(card)
    store = open_store("memory:")
    ledger = Ledger(store, settle=make_settle(card))

    def write(case: Path) -> list[RowMapping]:
        tenant = f"{case.parent.name}/{case.name}"
        for path in sorted(case.glob("request-*")):
            kind = "application/json" if path.suffix == ".json" else "application/x-protobuf"
            batch = ingest.traces(
                path.read_bytes(), received_ns=1, content_type=kind, tenant=tenant
            )
            ledger.write(batch.records, rates=batch.rates)
        counted = select(usage_record).where(
            usage_record.c.tenant_id == tenant, usage_record.c.counted
        )
        with store.engine.connect() as connection:
            return list(connection.execute(counted).mappings())

    yield write
    store.close()


def known(call: dict[str, Any], field: str) -> int | None:
    """A number of the truth, if the spans let anybody recover it."""
    if call["observable"].get(field) is None or field in call.get("only_in_text", []):
        return None
    number: int | None = call.get(field)
    return number


def is_reported(call: dict[str, Any]) -> bool:
    return any(known(call, field) for field in TOTALS)


def differences(call: dict[str, Any], row: RowMapping) -> Iterator[str]:
    for field, column in COUNTERS.items():
        truth, read = known(call, field), row[column]
        if truth is None:
            continue
        required = field in TOTALS or (field in PARTS_THAT_MUST_BE_READ and truth)
        if (read is not None or required) and (read or 0) != truth:
            yield f"{field} is {read}, in truth {truth}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_every_call_is_billed_once_with_its_numbers(case: Path, bill: Bill) -> None:
    calls = json.loads((case / "expected.json").read_text())["calls"]
    billable = [call for call in calls if call["billable"] and is_reported(call)]
    rows = [row for row in bill(case) if row["input_tokens"] or row["output_tokens"]]

    problems = []
    for call in billable:
        best = min(rows, key=lambda row: len(list(differences(call, row))), default=None)
        if best is None:
            problems.append(f"call {call['call']} has no record")
            continue
        rows.remove(best)
        problems += [f"call {call['call']}: {what}" for what in differences(call, best)]
    # Calls whose tokens the spans hide may still have been read.
    spare = len(calls) - len(billable)
    problems += [f"extra record of {row['input_tokens']} tokens" for row in rows[spare:]]

    assert problems == []
