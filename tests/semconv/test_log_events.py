"""Events of OTLP logs that report model calls."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spantoll.otlp import LogRecord
from spantoll.semconv import ModelCall, could_be_genai_event, read_log

NOON_NS = 1_790_000_000_000_000_000


def log(attributes: dict[str, Any], /, **more: Any) -> LogRecord:
    values: dict[str, Any] = {
        "trace_id": None,
        "span_id": None,
        "time_ns": NOON_NS,
        "observed_ns": NOON_NS + 5,
        "event_name": "",
        "severity": 9,
        "body": None,
        "attributes": attributes,
        "resource": {"service.name": "dev-laptop"},
        "scope_name": "",
        "scope_version": "",
    }
    return LogRecord(**values | more)


def call(attributes: dict[str, Any], /, **more: Any) -> ModelCall:
    found = read_log(log(attributes, **more))
    assert found is not None
    return found


API_REQUEST = {
    "event.name": "api_request",
    "event.sequence": 7,
    "session.id": "s1",
    "user.id": "anonymous",
    "user.email": "ann@example.org",
    "organization.id": "o1",
    "model": "claude-opus-4-7",
    "query_source": "repl_main_thread",
    "input_tokens": "20",
    "output_tokens": "10",
    "cache_read_tokens": "60",
    "cache_creation_tokens": "5",
    "cost_usd": "0.0123",
    "duration_ms": "1500",
    "ttft_ms": "250",
    "speed": "fast",
    "request_id": "req_011CTruncatedId",
}
CLAUDE_CODE = {"body": "claude_code.api_request", "scope_name": "com.anthropic.claude_code.events"}


def test_claude_code_request_is_a_call_with_its_cost() -> None:
    found = call(API_REQUEST, **CLAUDE_CODE)

    usage, attribution = found.usage, found.attribution
    assert (found.role, found.operation, found.provider) == ("inference", "chat", "anthropic")
    assert found.request_model == "claude-opus-4-7"
    assert (usage.input_tokens, usage.output_tokens) == (85, 10)
    assert (usage.cache_read_tokens, usage.cache_write_tokens) == (60, 5)
    assert found.reported_cost is not None
    assert (str(found.reported_cost.amount), found.reported_cost.currency) == ("0.0123", "USD")
    assert found.reported_cost.source == "instrumentation"
    assert (found.start_ns, found.end_ns) == (NOON_NS - 1_500_000_000, NOON_NS)
    assert (found.time_to_first_chunk_ns, found.speed) == (250_000_000, "fast")
    assert (attribution.user_email, attribution.session_id, attribution.organisation) == (
        "ann@example.org",
        "s1",
        "o1",
    )
    assert attribution.purpose == "repl_main_thread"
    assert found.response_id == found.request_id == "req_011CTruncatedId"


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("claude-opus-4-7", "anthropic"),
        ("us.anthropic.claude-opus-4-7-v1:0", "aws.bedrock"),
        ("arn:aws:bedrock:eu-west-1:1:inference-profile/x", "aws.bedrock"),
        ("claude-opus-4-7@20260401", "gcp.vertex_ai"),
    ],
)
def test_provider_of_claude_code_follows_from_the_model_id(model: str, provider: str) -> None:
    assert call(API_REQUEST | {"model": model}, **CLAUDE_CODE).provider == provider


def test_claude_code_error_is_a_failed_call() -> None:
    attributes = {
        "event.name": "api_error",
        "session.id": "s1",
        "event.sequence": 8,
        "model": "claude-opus-4-7",
        "error": "overloaded",
        "status_code": "529",
        "duration_ms": 90,
    }

    found = call(attributes, **CLAUDE_CODE | {"body": "claude_code.api_error"})

    assert (found.status, found.error_type, found.error_message) == ("error", "529", "overloaded")
    assert (found.usage.input_tokens, found.usage_quality) == (None, "missing")


GEMINI = {
    "event.name": "gemini_cli.api_response",
    "event.timestamp": "2026-09-21T12:00:00.250Z",
    "session.id": "s1",
    "prompt_id": "p1",
    "model": "gemini-3-pro",
    "auth_type": "oauth-personal",
    "input_token_count": 12000,
    "output_token_count": 350,
    "cached_content_token_count": 8000,
    "thoughts_token_count": 420,
    "tool_token_count": 100,
    "total_token_count": 12870,
    "duration_ms": 2000,
    "finish_reasons": ["stop"],
}


def test_gemini_cli_counts_thoughts_and_tool_prompts_apart() -> None:
    found = call(GEMINI, scope_name="gemini-cli")

    usage = found.usage
    assert (usage.input_tokens, usage.output_tokens) == (12_100, 770)
    assert (usage.cache_read_tokens, usage.reasoning_tokens) == (8000, 420)
    assert (found.provider, found.operation) == ("gcp.gemini", "generate_content")
    assert found.finish_reasons == ("stop",)


def test_gemini_cli_error_is_a_failed_call() -> None:
    attributes = {"event.name": "gemini_cli.api_error", "model": "gemini-3-pro", "error": "quota"}

    found = call(attributes | {"error.type": "429"}, scope_name="gemini-cli")

    assert (found.status, found.error_type, found.error_message) == ("error", "429", "quota")


CODEX = {
    "event.name": "codex.sse_event",
    "event.kind": "response.completed",
    "event.timestamp": "2026-09-21T12:00:00.250Z",
    "conversation.id": "c1",
    "user.account_id": "a1",
    "user.email": "ann@example.org",
    "model": "gpt-5.5",
    "input_token_count": "100",
    "output_token_count": "10",
    "cached_token_count": 40,
    "reasoning_token_count": 5,
    "tool_token_count": "110",
}


def test_codex_completion_is_a_call() -> None:
    found = call(CODEX, time_ns=0)

    usage = found.usage
    assert (usage.input_tokens, usage.output_tokens) == (100, 10)
    assert (usage.cache_read_tokens, usage.reasoning_tokens) == (40, 5)
    assert (found.provider, found.request_model) == ("openai", "gpt-5.5")
    assert (found.attribution.session_id, found.attribution.user_id) == ("c1", "a1")
    assert found.end_ns == 1_789_992_000_250_000_000


def test_codex_writes_an_event_twice_and_is_counted_once() -> None:
    for_the_log = {key: value for key, value in CODEX.items() if key != "event.name"}

    backend = call(CODEX, scope_name="codex_otel.trace_safe")
    for_log = call(for_the_log, scope_name="codex_otel.log_only")

    assert (backend.trace_id, backend.span_id) == (for_log.trace_id, for_log.span_id)


GENAI_EVENT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": "claude-sonnet-4-5",
    "gen_ai.response.id": "msg_1",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 10,
    "gen_ai.usage.cache_read.input_tokens": 60,
    "gen_ai.input.messages": "the-prompt-that-is-never-kept",
}
GENAI_NAME = "gen_ai.client.inference.operation.details"


@pytest.mark.parametrize(
    ("scope", "input_tokens"),
    [
        ("opentelemetry.instrumentation.genai.anthropic", 100),
        ("opentelemetry.instrumentation.genai.bedrock", 160),
        ("somebody", 100),
    ],
)
def test_genai_event_means_what_its_scope_means(scope: str, input_tokens: int) -> None:
    found = call(GENAI_EVENT, event_name=GENAI_NAME, scope_name=scope)

    assert found.usage.input_tokens == input_tokens
    assert "that-is-never-kept" not in repr(found)


def test_event_belongs_to_the_span_it_was_emitted_in() -> None:
    found = call(GENAI_EVENT, event_name=GENAI_NAME, trace_id=b"t" * 16, span_id=b"s" * 8)

    assert (found.trace_id, found.parent_span_id) == (b"t" * 16, b"s" * 8)
    assert found.span_id != b"s" * 8


@pytest.mark.parametrize(
    ("attributes", "more"),
    [
        ({"event.name": "user_prompt"}, {"body": "claude_code.user_prompt"}),
        ({"event.name": "codex.sse_event", "event.kind": "response.output_text.delta"}, {}),
        ({"event.name": "codex.sse_event", "event.kind": "response.completed"}, {}),
        # Reported by gemini_cli.api_response too, with cached tokens and thoughts.
        (GENAI_EVENT, {"event_name": GENAI_NAME, "scope_name": "gemini-cli"}),
        ({"gen_ai.evaluation.name": "x"}, {"event_name": "gen_ai.evaluation.result"}),
        ({}, {"body": "GET /"}),
        ({}, {"body": {"claude_code.api_request": 1}}),
    ],
    ids=["prompt", "delta", "no numbers", "reported twice", "evaluation", "text", "structure"],
)
def test_other_records_are_no_calls(attributes: dict[str, Any], more: dict[str, Any]) -> None:
    assert read_log(log(attributes, **more)) is None


def test_redelivered_event_is_the_same_call() -> None:
    first = call(API_REQUEST, **CLAUDE_CODE)
    again = call(dict(reversed(API_REQUEST.items())), **CLAUDE_CODE | {"observed_ns": NOON_NS + 9})

    assert (first.trace_id, first.span_id) == (again.trace_id, again.span_id)


@pytest.mark.parametrize("change", [{"request_id": "req_2"}, {"session.id": "s2"}])
def test_another_event_is_another_call(change: dict[str, str]) -> None:
    first = call(API_REQUEST, **CLAUDE_CODE)
    other = call(API_REQUEST | change, **CLAUDE_CODE)

    assert first.span_id != other.span_id


def test_event_without_ids_is_identified_by_all_its_attributes() -> None:
    bare = {"event.name": GENAI_NAME, "gen_ai.request.model": "m", "gen_ai.operation.name": "chat"}

    ids = {
        call(bare).span_id,
        call(bare, time_ns=NOON_NS + 1).span_id,
        call(bare | {"gen_ai.usage.input_tokens": 5}).span_id,
    }

    assert len(ids) == 3


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        (b"..claude_code.api_request..", True),
        (b"..gemini_cli.api_response..", True),
        (b"..response.completed..", True),
        (b"..gen_ai.client.inference.operation.details..", True),
        (b"..GET /health..", False),
    ],
)
def test_markers_are_found_in_encoded_records(raw: bytes, wanted: bool) -> None:
    assert could_be_genai_event(raw) is wanted


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=4),
)
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=2).map(tuple))
KEYS = sorted({*API_REQUEST, *GEMINI, *CODEX, *GENAI_EVENT, "status_code", "success", "error"})
NAMES = ["claude_code.api_request", "claude_code.api_error", "gemini_cli.api_response"]
NAMES += ["codex.sse_event", GENAI_NAME]


@given(st.sampled_from(NAMES), st.dictionaries(st.sampled_from(KEYS), VALUES), st.integers(0))
def test_any_attribute_values_are_read_without_complaint(
    name: str, attributes: dict[str, Any], time_ns: int
) -> None:
    found = read_log(log(attributes, event_name=name, time_ns=time_ns))

    if found is not None:
        assert 0 <= found.start_ns <= found.end_ns
        assert all(counter is None or counter >= 0 for counter in found.usage[:14])
