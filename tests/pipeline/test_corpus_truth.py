"""Captured telemetry of third-party instrumentations against the truth of what was called."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import RowMapping, select

from spantoll.pipeline import Ingest, Ledger, make_settle
from spantoll.pricing import RateCard, load_rate_card
from spantoll.records import usage_record
from spantoll.storage import open_store
from tests.receiver.corpus_records import COUNTERS

CORPUS = Path(__file__).parents[1] / "data" / "corpus"
CASES = sorted(path.parent for path in CORPUS.glob("*/*/expected.json"))

TOTALS = ("input_tokens", "output_tokens")
PARTS_THAT_MUST_BE_READ = ("cached_read", "cache_creation")


@cache
def card() -> RateCard:
    return load_rate_card()


def billed(case: Path) -> list[RowMapping]:
    """The counted records of a case, sent the whole way but for the network."""
    ingest = Ingest(card())
    store = open_store("memory:")
    ledger = Ledger(store, settle=make_settle(card()))
    for path in sorted(case.glob("request-*")):
        kind = "application/json" if path.suffix == ".json" else "application/x-protobuf"
        batch = ingest.traces(path.read_bytes(), received_ns=1, content_type=kind)
        ledger.write(batch.records, rates=batch.rates)
    with store.engine.connect() as connection:
        rows = connection.execute(select(usage_record).where(usage_record.c.counted))
        found = list(rows.mappings())
    store.close()
    return found


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
def test_every_call_is_billed_once_with_its_numbers(case: Path) -> None:
    calls = json.loads((case / "expected.json").read_text())["calls"]
    billable = [call for call in calls if call["billable"] and is_reported(call)]
    rows = [row for row in billed(case) if row["input_tokens"] or row["output_tokens"]]

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
