"""Several processes that write to one database at the same time, and what a crash of one leaves."""

from __future__ import annotations

import os
import pickle
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from spantoll.pipeline import GroupCommit
from spantoll.pipeline.settle import make_settle
from spantoll.pricing import load_rate_card
from spantoll.records import UsageRecord, usage_record
from spantoll.storage import Correction, Store, Stored, WriteResult, open_store
from spantoll.storage.shared import SharedStore, read_unsettled
from tests.storage.conftest import BACKENDS, Backend, rows, settle_repeats
from tests.support.records import make_record, record_of_response

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=[each for each in BACKENDS if each.shared], ids=lambda each: each.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    found: Backend = request.param
    return found


def make_calls(number: int, chosen: random.Random) -> list[list[UsageRecord]]:
    """Make calls of which several spans report each, in one trace or in two."""
    calls = []
    for n in range(number):
        used = {"input_tokens": 100 + n, "output_tokens": 7, "duration_ns": 10**9}
        named = f"msg_{chosen.random()}_{n}"
        match n % 4:
            case 0:  # a gateway and the SDK, in traces of their own
                spans = [record_of_response(named, **used) for _ in range(2)]
            case 1:  # an agent's span, and the SDK's below it
                trace = {"trace_id": make_record().trace_id}
                agent = make_record(**trace, **used, role="aggregate", counted=False)
                spans = [agent, make_record(**trace, **used, parent_span_id=agent.span_id)]
            case 2:  # three reports with one id
                spans = [record_of_response(named, **used, scope_name=name) for name in "abc"]
            case _:  # a callback without an id
                key = {"usage_key": (n << 32) + 7, **used}
                spans = [record_of_response(named, **key, scope_name="sdk")]
                spans.append(make_record(**key, scope_name="callbacks"))
        calls.append(spans)
    return calls


def write_at_once(url: str, halves: Sequence[Sequence[UsageRecord]], folder: Path) -> None:
    """Write each half by a process of its own, all beginning together."""
    writers = []
    for seed, half in enumerate(halves):
        file = folder / f"half-{seed}"
        file.write_bytes(pickle.dumps(list(half)))
        command = [sys.executable, "-m", "tests.storage.half_writer", url, str(file), str(seed)]
        pipe = subprocess.PIPE
        writers.append(subprocess.Popen(command, text=True, cwd=ROOT, stdin=pipe, stdout=pipe))
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("\n")
        writer.stdin.flush()
    ends = [writer.communicate() and writer.returncode for writer in writers]
    assert ends == [0] * len(halves)


@pytest.mark.parametrize("seed", [1, 2, pytest.param(3, marks=pytest.mark.soak)])
def test_processes_with_a_part_of_each_call_decide_as_one_writer_does(
    url: str, seed: int, tmp_path: Path
) -> None:
    chosen = random.Random(seed)
    calls = make_calls(60, chosen)
    halves: list[list[UsageRecord]] = [[], []]
    for spans in calls:
        first = chosen.randrange(2)
        for place, span in enumerate(spans):
            halves[(first + place) % 2].append(span)
    alone = open_store("memory:")
    alone.write([span for spans in calls for span in spans], settle=make_settle(load_rate_card()))

    write_at_once(url, halves, tmp_path)

    store = open_store(url)
    assert read_unsettled(store.engine) is None
    assert rows(store) == rows(alone)
    assert sum(record.counted for record in rows(store)) == len(calls)
    store.close()
    alone.close()


def test_two_threads_of_one_receiver_decide_as_one_writer_does(store: Store) -> None:
    chosen = random.Random(5)
    calls = make_calls(200, chosen)
    spans = [span for spans in calls for span in spans]
    alone = open_store("memory:")
    alone.write(spans, settle=make_settle(load_rate_card()))
    chosen.shuffle(spans)
    commit = GroupCommit(store, settle=make_settle(load_rate_card()), group_records=20)

    answers = [commit.submit([span], size_bytes=1) for span in spans]
    for answer in answers:
        answer.result()
    commit.close()

    assert commit.committed.inserted == len(spans)
    assert read_unsettled(store.engine) is None
    assert rows(store) == rows(alone)
    assert sum(record.counted for record in rows(store)) == len(calls)
    alone.close()


def test_a_write_says_what_another_writer_has_settled_for_it(url: str, store: Store) -> None:
    assert isinstance(store, SharedStore)
    other = open_store(url)
    insert_and_note = store._insert_and_note

    def insert_and_wait(*given: Any) -> Any:
        done = insert_and_note(*given)
        other.settle_pending(settle_repeats)
        return done

    pair = [record_of_response("a"), record_of_response("a")]
    with mock.patch.object(store, "_insert_and_note", insert_and_wait):
        late = store.write(pair, settle=settle_repeats)
    own = store.write([make_record()], settle=settle_repeats)

    assert (late.inserted, late.corrected, late.unsettled, late.settled_elsewhere) == (2, 0, 0, 2)
    assert own.settled_elsewhere == 0
    assert [record.counted for record in rows(store)] == [True, False, True]
    other.close()


def test_records_are_inserted_while_another_process_corrects(url: str, store: Store) -> None:
    other = open_store(url)
    assert isinstance(other, SharedStore)

    with other.transaction():
        result = store.write([make_record()])

    assert result.inserted == 1
    other.close()


def settle_and_die(group: Sequence[Stored]) -> list[Correction]:
    os._exit(9)


def write_and_die(url: str, record: UsageRecord) -> None:
    open_store(url).write([record], settle=settle_and_die)


def test_what_a_killed_process_left_is_settled_by_the_next_write(url: str, store: Store) -> None:
    first, second = record_of_response("a"), record_of_response("a")
    store.write([first], settle=settle_repeats)

    killed = get_context("spawn").Process(target=write_and_die, args=(url, second))
    killed.start()
    killed.join()
    left = read_unsettled(store.engine)
    store.write([make_record()], settle=settle_repeats)

    assert killed.exitcode == 9
    assert left is not None
    assert (left.records, left.failure) == (1, None)
    assert read_unsettled(store.engine) is None
    assert [record.counted for record in rows(store)] == [True, False, True]


def test_what_was_left_is_settled_without_a_write(url: str, store: Store) -> None:
    first, second = record_of_response("a"), record_of_response("a")
    store.write([first], settle=settle_repeats)
    other = open_store(url)
    assert isinstance(other, SharedStore)
    other._insert_and_note(other._insert_together, [second], note=True)

    corrected = store.settle_pending(settle_repeats)

    assert corrected == 1
    assert store.settle_pending(settle_repeats) == 0
    assert [record.counted for record in rows(store)] == [True, False]
    other.close()


def test_what_another_process_has_corrected_is_decided_again_with_all_there_is(
    url: str, store: Store
) -> None:
    early, late = record_of_response("a"), record_of_response("a")
    other = open_store(url)
    assert isinstance(other, SharedStore)
    assert isinstance(store, SharedStore)
    other._insert_and_note(other._insert_together, [late], note=True)
    with store.transaction() as connection:
        # As by a process that has settled its own, connected with `late` by what is gone since.
        values = {"counted": False, "facts": '{"counted":true}'}
        connection.execute(usage_record.update().values(values))

    store.settle_pending(settle_repeats)
    alone = rows(store)
    store.write([early], settle=settle_repeats)

    assert alone == [late]
    assert [record.counted for record in rows(store)] == [True, False]
    other.close()


def refuse(response_id: str) -> Callable[[Sequence[Stored]], list[Correction]]:
    """Make a `Settle` with a defect that one response id brings to light."""

    def settle(group: Sequence[Stored]) -> list[Correction]:
        if any(member.facts.response_id == response_id for member in group):
            raise ValueError("a defect")
        return settle_repeats(group)

    return settle


def test_what_cannot_be_settled_is_noted_and_costs_only_itself(url: str, store: Store) -> None:
    bad = [record_of_response("bad") for _ in range(2)]
    good = [record_of_response("good") for _ in range(2)]
    other = open_store(url)
    assert isinstance(other, SharedStore)
    other._insert_and_note(other._insert_together, bad, note=True)

    result = store.write(good, settle=refuse("bad"))
    left = read_unsettled(store.engine)
    again = store.write([make_record()], settle=refuse("bad"))
    corrected = store.settle_pending(settle_repeats)

    assert (result.corrected, result.unsettled) == (1, 0)
    assert left is not None
    assert (left.records, left.failure) == (2, "ValueError: a defect")
    assert again.unsettled == 0
    assert corrected == 1
    assert read_unsettled(store.engine) is None
    assert [record.counted for record in rows(store)] == [True, False, True, False, True]
    other.close()


def test_a_write_that_cannot_be_settled_is_stored_and_says_so(store: Store) -> None:
    records = [record_of_response("bad") for _ in range(2)]

    result = store.write(records, settle=refuse("bad"))

    assert result == WriteResult(2, 0, 0, unsettled=2)
    assert rows(store) == records
