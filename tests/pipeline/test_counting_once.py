from __future__ import annotations

import random
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spantoll.pipeline.counting import count
from spantoll.records import UsageRecord
from spantoll.records.reported import is_billable, reports_usage
from tests.pipeline.calls import call, used

AGENT: dict[str, Any] = {"role": "aggregate", "scope_name": "framework"}
UNKNOWN: dict[str, Any] = {"scope_name": "somebody", "dialect": "llm_usage"}
FRAMEWORK: dict[str, Any] = {"scope_name": "framework"}
OTHER: dict[str, Any] = {"scope_name": "other"}
CLAUDE = "claude-sonnet-4-5-20250929-v1:0"
LITELLM: dict[str, Any] = {"scope_name": "litellm", "dialect": "litellm"}
MISTRAL: dict[str, Any] = {"provider": "mistral_ai"}
ID, ID2 = "chatcmpl-0123456789ab", "chatcmpl-ba9876543210"


def billed(records: list[UsageRecord]) -> set[str]:
    return {
        record.span_id.decode().rstrip(".")
        for record, verdict in zip(records, count(records), strict=True)
        if verdict.counted
    }


SCENES: dict[str, tuple[list[UsageRecord], set[str]]] = {
    "agent repeats its two calls": (
        [
            call("agent", 0, 20, **AGENT, **used(300, 30)),
            call("one", 1, 5, under="agent", **used(100, 10)),
            call("two", 6, 9, under="agent", **used(200, 20)),
        ],
        {"one", "two"},
    ),
    "agent alone reports usage": ([call("agent", **AGENT, **used(300, 30))], {"agent"}),
    "agent below a sum of an emitter that is not known": (
        [
            call("sum", 0, 30, **UNKNOWN, **used(300, 30)),
            call("agent", 1, 20, under="sum", **AGENT, **used(300, 30)),
        ],
        {"agent"},
    ),
    "agent with calls without usage below a sum of an emitter that is not known": (
        [
            call("sum", 0, 30, **UNKNOWN, **used(300, 30)),
            call("agent", 1, 20, under="sum", **AGENT, **used(200, 20)),
            call("one", 2, 5, under="agent"),
            call("two", 6, 9, under="agent"),
        ],
        {"agent"},
    ),
    "agent with one call without usage below a sum of an emitter that is not known": (
        [
            call("sum", 0, 30, **UNKNOWN, **used(300, 30)),
            call("agent", 1, 20, under="sum", **AGENT, **used(300, 30)),
            call("one", 2, 5, under="agent"),
        ],
        {"one"},
    ),
    "a call of an emitter that is not known above an agent without usage": (
        [
            call("sum", 0, 30, **UNKNOWN, **used(300, 30)),
            call("agent", 1, 20, under="sum", **AGENT),
        ],
        {"sum"},
    ),
    "agent without usage is never billed": ([call("agent", **AGENT)], set()),
    "workflow over agent over nothing bills once": (
        [
            call("flow", 0, 30, **AGENT, **used(300, 30)),
            call("agent", 1, 20, under="flow", **AGENT, **used(300, 30)),
        ],
        {"agent"},
    ),
    "agent whose call hangs under a span nobody sent": (
        [
            call("agent", 0, 20, **AGENT, **used(100, 10)),
            call("one", 1, 5, under="http", **used(100, 10)),
        ],
        {"one"},
    ),
    "agent below a call whose parent nobody sent, and whose time is within the agent's": (
        [
            call("outer", 1, 2, under="http"),
            call("agent", 0, 5, under="outer", **AGENT, **used(100, 10)),
        ],
        {"outer", "agent"},
    ),
    "agent reports the usage of its one call without usage": (
        [
            call("agent", 0, 20, **AGENT, **used(100, 10)),
            call("one", 1, 5, under="agent"),
        ],
        {"one"},
    ),
    "agent has the usage of its calls without usage": (
        [
            call("agent", 0, 20, **AGENT, **used(300, 30)),
            call("one", 1, 5, under="agent"),
            call("two", 6, 9, under="agent"),
        ],
        {"agent"},
    ),
    "two instrumentations nested": (
        [
            call("outer", 0, 10, **FRAMEWORK, **used(100, 10)),
            call("inner", 1, 9, under="outer", **used(100, 10)),
        ],
        {"inner"},
    ),
    "outer left the cached tokens out": (
        [
            call("outer", 0, 10, **FRAMEWORK, **used(40, 10)),
            call("inner", 1, 9, under="outer", **used(100, 10, cache_read_tokens=60)),
        ],
        {"inner"},
    ),
    "three instrumentations nested": (
        [
            call("a", 0, 10, scope_name="a", **used(100, 10)),
            call("b", 1, 9, under="a", scope_name="b", **used(100, 10)),
            call("c", 2, 8, under="b", **used(100, 10)),
        ],
        {"c"},
    ),
    "an instrumentation and its own event around the SDK's span without an id": (
        [
            call("outer", 0, 10, **OTHER, response_id=ID, **used(100, 10)),
            call("event", 9, 9, under="outer", **OTHER, response_id=ID, **used(100, 10)),
            call("sdk", 1, 9, under="outer", **used(100, 10)),
        ],
        {"outer"},
    ),
    "outer call adds up the calls it made": (
        [
            call("outer", 0, 20, **used(300, 30)),
            call("one", 1, 5, under="outer", **used(100, 10)),
            call("two", 6, 9, under="outer", **used(200, 20)),
        ],
        {"one", "two"},
    ),
    "outer call without usage over two calls": (
        [
            call("outer", 0, 20, **FRAMEWORK),
            call("one", 1, 5, under="outer", **used(100, 10)),
            call("two", 6, 9, under="outer", **used(200, 20)),
        ],
        {"one", "two"},
    ),
    "retry below one framework call": (
        [
            call("outer", 0, 20, **FRAMEWORK, **used(100, 10)),
            call("fails", 1, 5, under="outer", status="error"),
            call("works", 6, 9, under="outer", **used(100, 10)),
        ],
        {"fails", "works"},
    ),
    "failure seen twice is one failed call": (
        [
            call("outer", 0, 10, **FRAMEWORK, status="error"),
            call("inner", 1, 9, under="outer", status="error"),
        ],
        {"inner"},
    ),
    "stream without usage seen twice": (
        [
            call("outer", 0, 10, **FRAMEWORK),
            call("inner", 1, 9, under="outer"),
        ],
        {"inner"},
    ),
    "siblings with the same response": (
        [
            call("a", 0, 10, response_id=ID, **used(100, 10)),
            call("b", 0, 9, **OTHER, response_id=ID, **used(100, 10)),
        ],
        {"b"},
    ),
    "roots of two traces with the same response": (
        [
            call("a", 0, 10, response_id=ID, **used(100, 10)),
            call("b", 1, 9, **OTHER, trace="u", response_id=ID, **used(100, 10)),
        ],
        {"b"},
    ),
    "the same response a token apart": (
        [
            call("a", 0, 10, response_id=ID, **used(100, 11)),
            call("b", 1, 9, **OTHER, trace="u", response_id=ID, **used(100, 10)),
        ],
        {"b"},
    ),
    "a server that gives every answer one id": (
        [
            call("a", 0, 10, response_id=ID, **used(100, 10)),
            call("b", 20, 30, trace="u", response_id=ID, **used(200, 20)),
        ],
        {"a", "b"},
    ),
    "an id too short to mean one response": (
        [
            call("a", 0, 10, response_id="chatcmpl-7", **used(100, 10)),
            call("b", 0, 10, trace="u", response_id="chatcmpl-7", **used(100, 10)),
        ],
        {"a", "b"},
    ),
    "siblings with equal usage at one time": (
        [
            call("a", 0, 10, **used(100, 10)),
            call("b", 1, 9, **OTHER, **used(100, 10)),
        ],
        {"b"},
    ),
    "siblings of which one cut the vendor off the model": (
        [
            call("a", 0, 10, request_model=f"us.anthropic.{CLAUDE}", **used(100, 10)),
            call("b", 1, 11, request_model=CLAUDE, **OTHER, **used(100, 10)),
        ],
        {"a"},
    ),
    "siblings with equal usage one after the other": (
        [
            call("a", 0, 4, **used(100, 10)),
            call("b", 5, 9, **OTHER, **used(100, 10)),
        ],
        {"a", "b"},
    ),
    "siblings with equal usage of two models": (
        [
            call("a", 0, 10, **used(100, 10)),
            call("b", 1, 9, **OTHER, request_model="claude-x", **used(100, 10)),
        ],
        {"a", "b"},
    ),
    "a stream whose callback span has no id and no context": (
        [
            call("callback", 0, 10, **FRAMEWORK, **used(100, 10)),
            call("sdk", 1, 9, trace="u", stream=True, response_id=ID, **used(100, 10)),
        ],
        {"sdk"},
    ),
    "equal streams at one time pair by their starts": (
        [
            call("early", 0, 9, under="app", **FRAMEWORK, **used(100, 10)),
            call("late", 2, 9.5, under="app", **FRAMEWORK, **used(100, 10)),
            call("sdk1", 1, 8, trace="u", stream=True, response_id=ID, **used(100, 10)),
            call("sdk2", 3, 8, trace="v", stream=True, response_id=ID2, **used(100, 10)),
        ],
        {"sdk1", "sdk2"},
    ),
    "a second equal stream that no callback saw": (
        [
            call("callback", 0, 10, **FRAMEWORK, **used(100, 10)),
            call("sdk", 1, 9, trace="u", stream=True, response_id=ID, **used(100, 10)),
            call("more", 2, 9, trace="v", stream=True, response_id=ID2, **used(100, 10)),
        ],
        {"sdk", "more"},
    ),
    "a stream that only begins within the callback span": (
        [
            call("callback", 0, 5, **FRAMEWORK, **used(100, 10)),
            call("sdk", 1, 9, trace="u", stream=True, response_id=ID, **used(100, 10)),
        ],
        {"callback", "sdk"},
    ),
    "a stream with equal usage whose callback span has its own call below": (
        [
            call("callback", 0, 10, **FRAMEWORK, **used(100, 10)),
            call("inner", 1, 9, under="callback", response_id=ID, **used(100, 10)),
            call("sdk", 1, 9, trace="u", stream=True, response_id=ID2, **used(100, 10)),
        ],
        {"inner", "sdk"},
    ),
    "a zero-length span in a trace of its own reports the stream of an SDK below": (
        [
            call("request", 0, 1, **FRAMEWORK),
            call("sdk", 0.5, 9, under="request", stream=True, response_id=ID, **used(100, 10)),
            call("event", 9.1, 9.1, trace="u", **FRAMEWORK, **used(100, 10)),
        ],
        {"sdk"},
    ),
    "a zero-length span too late to be of the stream": (
        [
            call("sdk", 0.5, 9, stream=True, response_id=ID, **used(100, 10)),
            call("event", 12, 12, trace="u", **FRAMEWORK, **used(100, 10)),
        ],
        {"sdk", "event"},
    ),
    "an SDK's own root span without an id beside an instrumentation's root": (
        [
            call("own", 0.5, 9.5, **MISTRAL, scope_name="mistralai_sdk_tracer", **used(100, 10)),
            call("other", 0, 10, trace="u", **MISTRAL, **OTHER, response_id=ID, **used(100, 10)),
        ],
        {"other"},
    ),
    "an SDK's own root span around an instrumentation's root": (
        [
            call("own", 0, 10, **MISTRAL, scope_name="mistralai_sdk_tracer", **used(100, 10)),
            call("other", 1, 9, trace="u", **MISTRAL, **OTHER, response_id=ID, **used(100, 10)),
        ],
        {"other"},
    ),
    "two instrumentations of a stream without ids, each in a trace of its own": (
        [
            call("a", 0, 9.98, **used(100, 10)),
            call("b", 0.01, 10, trace="u", **OTHER, **used(100, 10)),
        ],
        {"a"},
    ),
    "equal calls of two emitters in two traces that only overlap": (
        [
            call("a", 0, 9, **used(100, 10)),
            call("b", 1, 10, trace="u", **OTHER, **used(100, 10)),
        ],
        {"a", "b"},
    ),
    "equal calls of one emitter in two traces at one time": (
        [
            call("a", 0, 10, **used(100, 10)),
            call("b", 0, 10, trace="u", **used(100, 10)),
        ],
        {"a", "b"},
    ),
    "parallel calls of one SDK that happen to be equal": (
        [
            call("a", 0, 10, **used(100, 10)),
            call("b", 1, 9, **used(100, 10)),
        ],
        {"a", "b"},
    ),
    "parallel calls with different responses": (
        [
            call("a", 0, 10, response_id=ID, **used(100, 10)),
            call("b", 1, 9, **OTHER, response_id=ID2, **used(100, 10)),
        ],
        {"a", "b"},
    ),
    "stream whose usage came in a span of no length": (
        [
            call("request", 0, 1, under="app"),
            call("usage", 5, 5, under="app", **used(100, 10)),
        ],
        {"usage"},
    ),
    "two streams and their usage": (
        [
            call("one", 0, 1, under="app"),
            call("use1", 5, 5, under="app", **used(100, 10)),
            call("two", 6, 7, under="app"),
            call("use2", 9, 9, under="app", **used(200, 20)),
        ],
        {"use1", "use2"},
    ),
    "polling of a response that was seen": (
        [
            call("call", 0, 10, response_id=ID, **used(100, 10)),
            call("poll1", 11, 12, role="fetch", response_id=ID, **used(100, 10)),
            call("poll2", 13, 14, role="fetch", response_id=ID, **used(100, 10)),
        ],
        {"call"},
    ),
    "polling of a response nobody saw": (
        [
            call("poll1", 11, 12, role="fetch", response_id=ID, **used(100, 10)),
            call("poll2", 13, 14, role="fetch", trace="u", response_id=ID, **used(100, 10)),
        ],
        {"poll2"},
    ),
    "tools are not billed": ([call("tool", role="tool", **used(1, 1))], set()),
    "a guess gives way to a count": (
        [
            call("guess", 0, 10, **OTHER, usage_quality="estimated", **used(4, 3)),
            call("count", 1, 9, under="guess", **used(100, 10)),
        ],
        {"count"},
    ),
    "two emitters without ids whose spans end on two sides of a full minute": (
        [
            call("a", 0, 59.99, **used(100, 10)),
            call("b", 0.01, 60.01, trace="u", **OTHER, **used(100, 10)),
        ],
        {"a"},
    ),
    "an embedding that two emitters report in traces of their own": (
        [
            call("a", 0, 10, role="embedding", input_tokens=8),
            call("b", 1, 9, trace="u", **OTHER, role="embedding", input_tokens=8),
        ],
        {"b"},
    ),
    "one nested, one beside and one in another trace": (
        [
            call("outer", 0, 10, scope_name="a", **used(100, 10)),
            call("inner", 1, 9, under="outer", scope_name="b", **used(100, 10)),
            call("beside", 0.5, 9.5, scope_name="c", **used(100, 10)),
            call("away", 0.2, 9.8, trace="u", scope_name="d", **used(100, 10)),
        ],
        {"inner"},
    ),
    "three emitters, each in a trace of its own": (
        [
            call("a", 0, 10, scope_name="a", **used(100, 10)),
            call("b", 1, 9, trace="u", scope_name="b", **used(100, 10)),
            call("c", 0.5, 9.5, trace="v", scope_name="c", **used(100, 10)),
        ],
        {"b"},
    ),
    "LiteLLM's two handlers of one stream": (
        [
            call("early", 0, 0.144, **LITELLM, response_id=ID, **used(9, 2)),
            call("late", 0, 0.407, trace="u", **LITELLM, response_id=ID, **used(69605, 7260)),
        ],
        {"late"},
    ),
    "two calls of LiteLLM to a server with one constant id": (
        [
            call("one", 0, 10, **LITELLM, response_id=ID, **used(100, 10)),
            call("two", 0.01, 9, trace="u", **LITELLM, response_id=ID, **used(200, 20)),
        ],
        {"one", "two"},
    ),
    "a zero-length span and the SDK's own span of an aborted stream": (
        [
            call("request", 0, 0.005, trace="u", scope_name="logfire.anthropic"),
            call("event", 9.01, 9.01, trace="u", scope_name="logfire.anthropic", **used(86537, 1)),
            call("own", 0.001, 9, response_id=ID, input_tokens=86537),
        ],
        {"own"},
    ),
    "calls at one time by a server with one constant id": (
        [
            call("a", 0, 10, response_id=ID, **used(100, 10)),
            call("b", 1, 9, **OTHER, trace="u", response_id=ID, **used(200, 20)),
        ],
        {"a", "b"},
    ),
    "two calls with one constant id, each reported twice": (
        [
            call("1x", 0, 10, response_id=ID, **used(100, 10)),
            call("2y", 1, 9, response_id=ID, **used(200, 20)),
            call("3x", 0, 10, **OTHER, response_id=ID, **used(100, 10)),
            call("4y", 1, 9, **OTHER, response_id=ID, **used(200, 20)),
        ],
        {"1x", "2y"},
    ),
    "a cycle of parents": (
        [
            call("a", 0, 10, under="b", **used(100, 10)),
            call("b", 0, 10, under="a", **OTHER, **used(200, 20)),
        ],
        {"a", "b"},
    ),
    "a span that is its own parent": ([call("a", under="a", **used(1, 1))], {"a"}),
}


@pytest.mark.parametrize("scene", SCENES)
def test_each_call_is_billed_once(scene: str) -> None:
    records, expected = SCENES[scene]

    assert billed(records) == expected


@pytest.mark.parametrize("scene", SCENES)
def test_order_of_arrival_does_not_matter(scene: str) -> None:
    records, expected = SCENES[scene]

    for order in permutations(records):
        assert billed(list(order)) == expected


@pytest.mark.parametrize("scene", SCENES)
def test_what_is_merged_names_what_it_repeats(scene: str) -> None:
    records, _ = SCENES[scene]

    verdicts = count(records)

    for verdict in verdicts:
        if verdict.repeats is not None:
            assert not verdict.counted
            assert verdicts[verdict.repeats].counted
        assert verdict.reason


@st.composite
def traces(draw: st.DrawFn) -> list[UsageRecord]:
    """Traces of a few spans with few values, so that coincidences are the rule."""
    names = "abcdef"[: draw(st.integers(1, 6))]
    records = []
    for i, name in enumerate(names):
        start = draw(st.integers(0, 4))
        usage = draw(st.sampled_from([{}, used(100, 10), used(40, 10), used(200, 20)]))
        records.append(
            call(
                name,
                start,
                start + draw(st.integers(0, 6)),
                under=draw(st.sampled_from(["", "gone", *names[:i]])),
                trace=draw(st.sampled_from("tu")),
                role=draw(st.sampled_from(["inference", "inference", "aggregate", "fetch"])),
                scope_name=draw(st.sampled_from(["sdk", "other"])),
                status=draw(st.sampled_from(["success", "success", "error"])),
                response_id=draw(st.sampled_from([None, None, ID, ID2])),
                stream=draw(st.booleans()),
                **usage,
            )
        )
    return records


@settings(max_examples=300)
@given(traces(), st.randoms(use_true_random=False))
def test_any_order_gives_the_same_verdicts(records: list[UsageRecord], rng: random.Random) -> None:
    shuffled = records.copy()
    rng.shuffle(shuffled)

    assert billed(records) == billed(shuffled)


@given(traces())
def test_no_usage_is_billed_that_no_span_reported(records: list[UsageRecord]) -> None:
    verdicts = count(records)

    reported = sum(record.input_tokens or 0 for record in records)
    assert (
        sum(r.input_tokens or 0 for r, v in zip(records, verdicts, strict=True) if v.counted)
        <= reported
    )
    reports = [each for verdict in verdicts for each in verdict.reports]
    assert len(reports) == len(set(reports))


@given(traces())
def test_usage_never_vanishes_without_a_record_that_reports_it(records: list[UsageRecord]) -> None:
    verdicts = count(records)

    for record, verdict in zip(records, verdicts, strict=True):
        if is_billable(record) and reports_usage(record) and not verdict.counted:
            assert verdict.repeats is not None or verdict.reason == "aggregate"


@pytest.mark.parametrize("trace", ["t", "own"])
@pytest.mark.parametrize("together", [True, False], ids=["at-once", "in-a-minute"])
def test_many_equal_calls_of_two_emitters_are_matched_one_to_one(
    trace: str, together: bool
) -> None:
    records = []
    for i in range(2_000):
        start = 0 if together else i * 0.03
        ours, theirs = ("t", "t") if trace == "t" else (f"x{i}", f"y{i}")
        records += [
            call(f"x{i}", start, start + 8, trace=ours, **used(100, 1)),
            call(f"y{i}", start + 0.001, start + 7.999, trace=theirs, **OTHER, **used(100, 1)),
        ]

    verdicts = count(records)

    assert sum(verdict.counted for verdict in verdicts) == 2_000


def test_long_agent_traces_are_counted_in_reasonable_work() -> None:
    records = [call("agent", 0, 9_000, **AGENT, **used(1, 1))]
    records += [
        call(f"{i:08}", i, i + 1, under="agent", **used(100, 10 + i % 7)) for i in range(8_000)
    ]

    verdicts = count(records)

    assert sum(verdict.counted for verdict in verdicts) == 8_000
