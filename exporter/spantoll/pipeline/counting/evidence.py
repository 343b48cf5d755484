"""The evidence that two spans report one model call: a table, strongest rule first.

Input: two records of calls, as their own spans reported them. Output: whether a rule matches. What
a rule cannot see in two records (which call is directly above which, that a pair is one-to-one) is
in its column `joins` and applied by `clusters`. `docs/counting.md` shows the same table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from spantoll.pipeline.counting.usage import (
    is_exact,
    overlap,
    same_model,
    same_usage,
    uncached_inputs,
    within,
)
from spantoll.records.keys import SLICE_NS
from spantoll.records.record import UsageRecord
from spantoll.records.reported import end_ns, reports_usage

__all__ = ["EVIDENCE", "NEAR_TOKENS", "ONE_TO_ONE", "RULES", "Evidence"]

CLOCK_SLACK_NS = 300 * 1_000_000_000
SAME_START_NS = 1_000_000
NEAR_TOKENS = 2
ENDS_APART_NS = SLICE_NS
COINCIDENCE_NS = 50_000_000
EVENT_DELAY_NS = 1_000_000_000


class Evidence(NamedTuple):
    """One rule by which two spans are found to report one call."""

    name: str
    """What `counted_reason` says of the record that is not billed."""
    joins: str
    threshold: str
    reason: str
    """Why the threshold is what it is."""
    source: str
    example: str
    matches: Callable[[UsageRecord, UsageRecord], bool]
    one_to_one: bool = False
    """Each call of one emitter is joined with at most one call of another emitter."""


def _stream_pair(request: UsageRecord, usage: UsageRecord) -> bool:
    return (
        request.status == "success"
        and not reports_usage(request)
        and usage.duration_ns == 0
        and request.trace_id == usage.trace_id
        and request.parent_span_id == usage.parent_span_id
        and request.scope_name == usage.scope_name
        and request.request_model == usage.request_model
        and request.started_ns <= usage.started_ns
    )


def _same_response(a: UsageRecord, b: UsageRecord) -> bool:
    return a.response_key is not None and a.response_id == b.response_id


def _response_id(a: UsageRecord, b: UsageRecord) -> bool:
    if not (_same_response(a, b) and overlap(a, b, slack_ns=CLOCK_SLACK_NS)):
        return False
    return same_usage(a, b) or not (reports_usage(a) and reports_usage(b))


def _two_handlers(a: UsageRecord, b: UsageRecord) -> bool:
    return (
        _same_response(a, b)
        and a.dialect == b.dialect == "litellm"
        and a.trace_id != b.trace_id
        and abs(a.started_ns - b.started_ns) <= SAME_START_NS
        and same_model(a, b)
    )


def _near_usage(a: UsageRecord, b: UsageRecord) -> bool:
    return (
        _same_response(a, b)
        and _two_views(a, b)
        and within(a, b)
        and abs((a.output_tokens or 0) - (b.output_tokens or 0)) <= NEAR_TOKENS
        and any(
            abs(one - other) <= NEAR_TOKENS
            for one in uncached_inputs(a)
            for other in uncached_inputs(b)
        )
    )


def _inexact_usage(a: UsageRecord, b: UsageRecord) -> bool:
    return (
        _same_response(a, b)
        and _two_views(a, b)
        and within(a, b)
        and not (is_exact(a) and is_exact(b))
    )


def _two_views(a: UsageRecord, b: UsageRecord) -> bool:
    return a.trace_id == b.trace_id or a.scope_name != b.scope_name


def _nested(outer: UsageRecord, inner: UsageRecord) -> bool:
    return inner.status == "success" and reports_usage(outer) and same_usage(outer, inner)


def _nested_only(outer: UsageRecord, inner: UsageRecord) -> bool:
    if not (reports_usage(outer) and reports_usage(inner)):
        return True
    return same_usage(outer, inner) or not outer.usage_quality == inner.usage_quality == "exact"


def _beside(a: UsageRecord, b: UsageRecord) -> bool:
    return (
        a.trace_id == b.trace_id
        and reports_usage(a)
        and reports_usage(b)
        and overlap(a, b)
        and same_usage(a, b)
        and same_model(a, b)
    )


def _own_traces(a: UsageRecord, b: UsageRecord) -> bool:
    return (
        a.trace_id != b.trace_id
        and a.service_name == b.service_name
        and reports_usage(a)
        and reports_usage(b)
        and _fit_one_call(a, b)
        and same_usage(a, b)
        and same_model(a, b)
    )


def _aborted_stream(a: UsageRecord, b: UsageRecord) -> bool:
    counts = (a.output_tokens, b.output_tokens)
    return (
        a.service_name == b.service_name
        and None in counts
        and counts != (None, None)
        and (_follows(a, b) or _follows(b, a))
        and not uncached_inputs(a).isdisjoint(uncached_inputs(b))
        and bool(a.input_tokens)
        and bool(b.input_tokens)
        and same_model(a, b)
    )


def _beside_silent(a: UsageRecord, b: UsageRecord) -> bool:
    return (
        a.trace_id == b.trace_id
        and not reports_usage(a)
        and not reports_usage(b)
        and a.status == b.status
        and a.request_model == b.request_model
        and within(a, b)
    )


def _fit_one_call(a: UsageRecord, b: UsageRecord) -> bool:
    return within(a, b) or _coincide(a, b) or _follows(a, b) or _follows(b, a)


def _coincide(a: UsageRecord, b: UsageRecord) -> bool:
    apart_ns = max(abs(a.started_ns - b.started_ns), abs(end_ns(a) - end_ns(b)))
    return apart_ns <= COINCIDENCE_NS


def _follows(event: UsageRecord, span: UsageRecord) -> bool:
    """Return True if the zero-length span `event` starts within a second after `span` ends."""
    delay_ns = event.started_ns - end_ns(span)
    # Or just before: the instrumentation below ends its span after the consumer was given the end.
    return event.duration_ns == 0 and -COINCIDENCE_NS <= delay_ns <= EVENT_DELAY_NS


EVIDENCE = (
    Evidence(
        "stream_pair",
        "a successful request span without usage and the first zero-length span after it with the "
        "same trace, parent, scope and model, each once",
        "none: the order of the starts pairs them",
        "the zero-length span has no other tie to its request",
        "logfire `log_response`, logfire#54",
        "Logfire ends the span of an OpenAI stream after 5 ms and reports its usage 30 ms later",
        _stream_pair,
    ),
    Evidence(
        "response_id",
        "two spans with one response id of 13 characters or more, and equal usage or none",
        "at most 300 s apart",
        "clocks of two machines; Ollama repeats its short ids, small servers one constant id",
        "langfuse#9344, dd-trace-js#8936",
        "OpenInference and OpenTelemetry on one OpenAI client, siblings in one trace",
        _response_id,
    ),
    Evidence(
        "response_id_handlers",
        "two spans of LiteLLM's callback in two traces with one response id and one start",
        "starts at most 1 ms apart",
        "both handlers are given the start of the call itself, so the starts are equal",
        "LiteLLM 1.60.2, `completion(stream=True)`: litellm#10588",
        "the span that ends at the finish reason has LiteLLM's own estimate (9/2 tokens), the one "
        "that ends with the stream the provider's usage (69,605/7,260), which is billed",
        _two_handlers,
    ),
    Evidence(
        "response_id_near",
        "two emitters (or two spans of one trace) with one response id, one within the time of the "
        "other, whose counters almost agree",
        "input and output at most 2 tokens apart",
        "Anthropic's first event reports 1 output token, which some add to the last; 2 leaves room "
        "for both totals, and two calls of a server with one constant id differ by more",
        "Traceloop for Anthropic, corpus `traceloop-anthropic/stream_create`",
        "5,860 output tokens by Anthropic's SDK, 5,861 by Traceloop",
        _near_usage,
    ),
    Evidence(
        "response_id_inexact",
        "as before, where one of the two reports an estimate or part of the usage",
        "one within the time of the other",
        "an estimate is any number away from the truth",
        "OpenLIT's token estimates, openinference#2101",
        "OpenLIT estimates a stream without usage at 12/5 tokens below a span with 100/10",
        _inexact_usage,
    ),
    Evidence(
        "nested",
        "a call and the last successful call directly below it with equal usage",
        "equal usage; input may differ by exactly the cached tokens",
        "langfuse#14754: one of the two may leave cached tokens out",
        "semantic-conventions-genai, agent spans",
        "LangChain's call of 40/10 tokens over OpenAI's span of 100/10 with 60 cached",
        _nested,
    ),
    Evidence(
        "nested_only",
        "a call and the only successful call directly below it, if one of them reports no usage or "
        "is not exact; a failed call and what failed below it",
        "exactly one call below",
        "with two below, the outer call is their sum or a retry",
        "semantic-conventions-genai, agent spans",
        "a framework's stream without usage over the SDK's stream with usage",
        _nested_only,
    ),
    Evidence(
        "beside",
        "calls of two emitters in one trace, neither above the other, of equal usage and model, "
        "whose times overlap",
        "ends at most 2 s apart",
        "an emitter may end its span when the consumer has read the stream; 2 s is also how far "
        "the index looks",
        "dd-trace-js#8936",
        "Traceloop and Anthropic's own span under one web request, 1.2 ms apart",
        _beside,
        one_to_one=True,
    ),
    Evidence(
        "own_traces",
        "calls of two emitters in two traces of one service, one at least without response id, of "
        "equal usage and model: one within the other, both at one time, or a zero-length span "
        "after the other's end",
        "ends at most 2 s apart; at one time: starts and ends 50 ms; after: 1 s",
        "callbacks start and end a few ms around the SDK's span; Logfire writes its zero-length "
        "span when the consumer has closed the stream",
        "openinference#2101, corpus `openinference-langchain-plus-openai/llm_stream`",
        "LangChain's callback does not attach its span while a stream is read: the SDK's span, "
        "1.2 ms later, is the root of another trace",
        _own_traces,
        one_to_one=True,
    ),
    Evidence(
        "aborted_stream",
        "a zero-length span after the end of another emitter's span of one service, of equal input "
        "and model, where one of the two reports no output count",
        "at most 1 s after the end, or 50 ms before it",
        "as above; which of the two closes first is not fixed",
        "Anthropic's SDK, corpus `anthropic-sdk-native/stream_aborted`",
        "a stream is closed early: Anthropic's own span reports 86,537 input tokens and no output, "
        "Logfire's zero-length span 86,537/1",
        _aborted_stream,
        one_to_one=True,
    ),
    Evidence(
        "beside_silent",
        "calls of two emitters in one trace without usage, of equal status and requested model, "
        "one within the time of the other, neither above the other",
        "ends at most 2 s apart",
        "nothing but the time is left to compare",
        "dd-trace-js#8936",
        "two instrumentations of a client whose call fails with HTTP 429",
        _beside_silent,
        one_to_one=True,
    ),
)

RULES = {rule.name: rule for rule in EVIDENCE}
ONE_TO_ONE = tuple(rule for rule in EVIDENCE if rule.one_to_one)
