"""The gate that skips spans undecoded is derived from the dialects."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spantoll.semconv import could_be_genai, could_be_genai_event
from spantoll.semconv.dialect import Dialect
from spantoll.semconv.events import EventDialect
from spantoll.semconv.registry import all_dialects, all_event_dialects, make_gate
from spantoll.semconv.table import TableDialect
from tests.semconv.readings import all_readings

READINGS = all_readings()


def gate_without(removed: Dialect) -> tuple[bytes, ...]:
    others = (dialect for dialect in all_dialects() if dialect is not removed)
    return make_gate(marker for dialect in others for marker in dialect.gate)


@pytest.mark.parametrize("dialect", all_dialects(), ids=lambda dialect: dialect.name)
def test_every_marker_of_a_dialect_opens_the_gate(dialect: TableDialect) -> None:
    markers = [marker.encode() for marker in (*dialect.markers, *dialect.span_markers)]

    assert all(could_be_genai(b"\x12" + marker + b"\x18") for marker in (*markers, *dialect.gate))


@pytest.mark.parametrize("case", READINGS)
def test_a_span_that_reports_usage_opens_the_gate(case: str) -> None:
    reading = READINGS[case]
    encoded = b"\n".join(key.encode() for key in (reading.name, *reading.attributes))

    open_by_name_or_key = could_be_genai(encoded)

    # Codex and Gemini CLI report usage under bare names by log records, which have their own gate.
    assert open_by_name_or_key or case.startswith(("codex", "gemini_cli"))


@pytest.mark.parametrize(
    ("name", "marker"),
    [
        ("claude_code", b"claude_code"),
        ("langfuse", b"langfuse."),
        ("langsmith", b"langsmith.span.kind"),
        ("mlflow", b"mlflow."),
        ("openinference", b"openinference.span.kind"),
        ("openllmetry", b"traceloop.span.kind"),
    ],
)
def test_a_removed_dialect_takes_its_markers_with_it(name: str, marker: bytes) -> None:
    dialect = next(each for each in all_dialects() if each.name == name)

    gate = gate_without(dialect)

    assert could_be_genai(marker)
    assert not any(other in marker for other in gate)


@pytest.mark.parametrize(
    "raw",
    [
        b"..http.request.method..url.path..",
        b"..db.system.name..postgresql..",
        b"..messaging.destination.name..",
        b"..traceloop.association.properties.user_id..",
        b"",
    ],
)
def test_other_spans_are_skipped(raw: bytes) -> None:
    assert not could_be_genai(raw)


@given(st.lists(st.binary(min_size=1, max_size=4), max_size=8), st.binary(max_size=20))
def test_a_reduced_gate_opens_for_the_same_spans(markers: list[bytes], raw: bytes) -> None:
    reduced = make_gate(markers)

    assert any(marker in raw for marker in reduced) == any(marker in raw for marker in markers)


@pytest.mark.parametrize(
    "events", all_event_dialects(), ids=lambda events: next(iter(events.names))
)
def test_every_event_name_opens_the_gate_of_events(events: EventDialect) -> None:
    required = " ".join(value or "" for value in events.required.values())

    assert all(could_be_genai_event(f"{name} {required}".encode()) for name in events.names)


def test_the_gate_of_events_is_their_names_or_what_they_require() -> None:
    named = EventDialect(names={"acme.call": False, "acme.error": True})
    unnamed = EventDialect(names={"acme.call": False}, required={"kind": "done", "input": None})

    assert named.gate == {b"acme.call", b"acme.error"}
    assert unnamed.gate == {b"done"}
