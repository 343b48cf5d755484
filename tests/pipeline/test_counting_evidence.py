"""Each rule of the evidence: where it must join, and the nearest case where it must not."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from spantoll.pipeline.counting import EVIDENCE, count
from spantoll.records import UsageRecord
from tests.pipeline.calls import call, used

DOCUMENT = Path(__file__).parents[2] / "docs" / "counting.md"

ID = "chatcmpl-0123456789ab"
SDK: dict[str, Any] = {"scope_name": "sdk"}
OTHER: dict[str, Any] = {"scope_name": "other"}
LITELLM: dict[str, Any] = {"scope_name": "litellm", "dialect": "litellm", "response_id": ID}
AWAY: dict[str, Any] = {"scope_name": "other", "trace": "u"}


class Case(NamedTuple):
    """Two spans that a rule joins, and what differs in the nearest pair that it does not."""

    one: UsageRecord
    other: UsageRecord
    nearest: UsageRecord
    """Instead of `other`."""


def same_id(at: float, to: float, **fields: Any) -> UsageRecord:
    return call("b", at, to, **{**OTHER, "response_id": ID, **fields})


CASES = {
    "stream_pair": Case(
        call("a", 0, 0.005),
        call("b", 0.03, 0.03, **used(100, 10)),
        call("b", 0.03, 0.03, request_model="gpt-5", **used(100, 10)),
    ),
    "response_id": Case(
        call("a", 0, 10, response_id=ID, **used(100, 10)),
        same_id(310, 320, trace="u", **used(100, 10)),
        same_id(310.001, 320, trace="u", **used(100, 10)),
    ),
    "response_id_handlers": Case(
        call("a", 0, 0.144, **LITELLM, **used(9, 2)),
        call("b", 0.001, 0.407, trace="u", **LITELLM, **used(69605, 7260)),
        call("b", 0.002, 0.407, trace="u", **LITELLM, **used(69605, 7260)),
    ),
    "response_id_near": Case(
        call("a", 0, 10, response_id=ID, **used(63655, 5860)),
        same_id(0.7, 9, trace="u", **used(63657, 5862)),
        same_id(0.7, 9, trace="u", **used(63655, 5863)),
    ),
    "response_id_inexact": Case(
        call("a", 0, 10, response_id=ID, **used(100, 10)),
        same_id(1, 9, trace="u", usage_quality="estimated", **used(12, 5)),
        same_id(1, 9, trace="u", usage_quality="assumed", **used(12, 5)),
    ),
    "nested": Case(
        call("a", 0, 10, **used(40, 10)),
        call("b", 1, 9, under="a", **used(100, 10, cache_read_tokens=60)),
        call("b", 1, 9, under="a", **used(100, 10, cache_read_tokens=59)),
    ),
    "nested_only": Case(
        call("a", 0, 10, **OTHER, **used(100, 11)),
        call("b", 1, 9, under="a", usage_quality="assumed", **used(100, 10)),
        call("b", 1, 9, under="a", **used(100, 10)),
    ),
    "beside": Case(
        call("a", 0, 7, **used(100, 10)),
        call("b", 6, 9, **OTHER, **used(100, 10)),
        call("b", 6, 9.001, **OTHER, **used(100, 10)),
    ),
    "own_traces": Case(
        call("a", 0, 10, **used(100, 10)),
        call("b", 0.05, 10.05, **AWAY, **used(100, 10)),
        call("b", 0.051, 10.05, **AWAY, **used(100, 10)),
    ),
    "aborted_stream": Case(
        call("a", 0, 9, response_id=ID, input_tokens=86537),
        call("b", 10, 10, **AWAY, **used(86537, 1)),
        call("b", 10.001, 10.001, **AWAY, **used(86537, 1)),
    ),
    "beside_silent": Case(
        call("a", 0, 10, status="error"),
        call("b", 1, 9, **OTHER, status="error"),
        call("b", 1, 9, **OTHER, status="timeout"),
    ),
}


def test_every_rule_has_a_case() -> None:
    assert list(CASES) == [rule.name for rule in EVIDENCE]


@pytest.mark.parametrize("rule", EVIDENCE, ids=lambda rule: rule.name)
def test_a_rule_joins_the_two_reports_of_a_call(rule: Any) -> None:
    case = CASES[rule.name]

    verdicts = count([case.one, case.other])

    assert rule.matches(case.one, case.other)
    assert [verdict.counted for verdict in verdicts].count(True) == 1
    assert rule.name in [verdict.reason for verdict in verdicts]


@pytest.mark.parametrize("rule", EVIDENCE, ids=lambda rule: rule.name)
def test_a_rule_leaves_the_nearest_two_calls_apart(rule: Any) -> None:
    case = CASES[rule.name]

    verdicts = count([case.one, case.nearest])

    assert rule.name not in [verdict.reason for verdict in verdicts]
    assert [verdict.repeats for verdict in verdicts] == [None, None]


def test_the_document_shows_the_table_of_evidence() -> None:
    rows = [
        f"| {number} | `{rule.name}` | {rule.joins} | {rule.threshold} | {rule.reason} | "
        f"{rule.source} | {rule.example} |"
        for number, rule in enumerate(EVIDENCE, start=1)
    ]

    shown = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| ")]

    assert [line for line in shown if line[2:3].isdigit()] == rows
