"""Simulated calls, each reported by one to three emitters: what is counted must be what was made.

100 examples, and 2,000 in the soak tests.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spantoll.pipeline.counting import count
from spantoll.records import UsageRecord
from spantoll.storage import Settle, Store
from tests.pipeline.calls import call
from tests.pipeline.ledgers import EXAMPLES, deal_batches, verdicts_in_ledger, verdicts_of_one_group

SETTINGS = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
SCOPES = ("framework", "sdk", "gateway")
LAYOUTS = ("nested", "beside", "own traces", "mixed")


class Made(NamedTuple):
    """A call that was made, and all its reports."""

    tokens: tuple[int, int]
    reports: list[UsageRecord]


@st.composite
def workloads(draw: st.DrawFn) -> list[Made]:
    """Draw calls with equal or own usage that every emitter reports."""
    emitters = draw(st.integers(1, 3))
    layout = draw(st.sampled_from(LAYOUTS))
    # At least one emitter reports no id, or none does, or all of them report the same.
    with_id = [draw(st.booleans()) for _ in range(emitters)]
    equal = draw(st.booleans())
    is_embedding = draw(st.booleans())
    gap_ms = draw(st.integers(1, 60_000))
    start_ms = draw(st.integers(0, 120_000))
    made = []
    for number in range(draw(st.integers(1, 8))):
        size = 100 if equal else 100 + 7 * number
        tokens = (size, 0 if is_embedding else size // 10)
        start_ms += draw(st.integers(1, gap_ms))
        length_ms = draw(st.integers(200, 20_000))
        own = layout if layout != "mixed" else draw(st.sampled_from(LAYOUTS[:3]))
        reports = []
        for rank, scope in enumerate(SCOPES[:emitters]):
            # Each emitter is within the one before, by a few milliseconds.
            inset = rank * draw(st.integers(1, 6)) / 1_000
            above = f"{number}{SCOPES[rank - 1]}"[:8] if own == "nested" and rank else "app"
            reports.append(
                call(
                    f"{number}{scope}"[:8],
                    start_ms / 1_000 + inset,
                    (start_ms + length_ms) / 1_000 - inset,
                    under=above,
                    trace=f"{number}{scope}" if own == "own traces" else "app",
                    scope_name=scope,
                    service_name="shop",
                    response_id=f"chatcmpl-{number:012}" if with_id[rank] else None,
                    input_tokens=tokens[0],
                    output_tokens=tokens[1] or None,
                )
            )
        made.append(Made(tokens, reports))
    return made


def records_of(made: list[Made]) -> list[UsageRecord]:
    return [report for each in made for report in each.reports]


def counted_in_one_group(records: list[UsageRecord]) -> list[tuple[int, int]]:
    verdicts = count(records)
    return sorted(
        (record.input_tokens or 0, record.output_tokens or 0)
        for record, verdict in zip(records, verdicts, strict=True)
        if verdict.counted
    )


@EXAMPLES
def test_each_call_is_counted_once_with_its_tokens(examples: int) -> None:
    @settings(SETTINGS, max_examples=examples)
    @given(workloads())
    def check(made: list[Made]) -> None:
        assert counted_in_one_group(records_of(made)) == sorted(each.tokens for each in made)

    check()


@EXAMPLES
def test_calls_of_one_emitter_are_never_merged(examples: int) -> None:
    """Each call is reported once, by this emitter or that, and no two used as much."""

    @settings(SETTINGS, max_examples=examples)
    @given(workloads(), st.integers(0, 2))
    def check(made: list[Made], emitter: int) -> None:
        single = [
            each.reports[(number * (emitter + 1)) % len(each.reports)]._replace(
                parent_span_id=b"app.....", response_id=None, response_key=None
            )
            for number, each in enumerate(made)
        ]
        tokens = sorted((r.input_tokens or 0, r.output_tokens or 0) for r in single)

        if len(set(tokens)) == len(tokens):
            assert counted_in_one_group(single) == tokens

    check()


@EXAMPLES
def test_any_order_and_batches_end_in_the_verdicts_of_one_group(
    store: Store, settle: Settle, examples: int
) -> None:
    @settings(SETTINGS, max_examples=examples)
    @given(workloads(), st.randoms(use_true_random=False))
    def check(made: list[Made], rng: random.Random) -> None:
        records = records_of(made)

        found = verdicts_in_ledger(store, settle, deal_batches(records, rng))

        assert found == verdicts_of_one_group(records)

    check()
