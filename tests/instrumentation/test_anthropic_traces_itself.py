"""The SDK's own spans beside ours: one call is billed once, whichever of them arrive."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest
from opentelemetry.sdk.trace import ReadableSpan

from spantoll import instrumentation
from tests.instrumentation.scenes import exhaust

NATIVE = "com.anthropic.sdk.python"
OURS = "spantoll.instrumentation.anthropic"
ASKED: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Hello #input=1000 #cached=600 #output=20"}],
}
COST_NANO = 400 * 1_000 + 600 * 100 + 20 * 5_000


def client_of(provider: Any, **chosen: Any) -> anthropic.Anthropic:
    return anthropic.Anthropic(api_key="none", base_url=provider.url, max_retries=0, **chosen)


def call(client: anthropic.Anthropic, *, stream: bool = False) -> None:
    result = client.messages.create(**ASKED, stream=stream)
    if stream:
        exhaust(result)


def scopes_of(spans: Any) -> set[str]:
    return {span.instrumentation_scope.name for span in spans.all()}


def traceparent(span: ReadableSpan) -> str:
    assert span.context is not None
    ids = f"{span.context.trace_id:032x}-{span.context.span_id:016x}"
    return f"00-{ids}-{span.context.trace_flags:02x}"


@pytest.fixture
def registered(spans: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Our provider is the one the application registered."""
    monkeypatch.setattr("opentelemetry.trace.get_tracer_provider", lambda: spans.provider)
    return spans


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(
    ("native", "ours", "scopes"),
    [
        ("unset", True, {OURS}),
        ("our provider", True, {OURS}),
        ("another provider", True, {NATIVE, OURS}),
        ("with content", True, {NATIVE, OURS}),
        ("off", True, {OURS}),
        ("unset", False, {NATIVE}),
        ("another provider", False, {NATIVE}),
    ],
)
def test_one_call_is_billed_once(
    provider: Any,
    registered: Any,
    billed: Any,
    native: str,
    ours: bool,
    scopes: set[str],
    stream: bool,
) -> None:
    chosen: Any = {
        "unset": None,
        "our provider": {"tracer_provider": registered.provider},
        "another provider": {"tracer_provider": registered.another_provider()},
        "with content": {"traces": {"content_mode": "content"}},
        "off": False,
    }[native]
    if not ours:
        instrumentation.uninstrument()
    with client_of(provider, open_telemetry=chosen) as client:
        call(client, stream=stream)

    assert scopes_of(registered) == scopes
    [row] = billed()
    assert (row["cost_nano"], row["input_tokens"]) == (COST_NANO, 1000)


def test_native_spans_stay_where_ours_go_elsewhere(
    provider: Any, spans: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = spans.another_provider()
    monkeypatch.setattr("opentelemetry.trace.get_tracer_provider", lambda: application)
    with client_of(provider) as client:
        call(client)

    assert scopes_of(spans) == {NATIVE, OURS}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_the_request_carries_the_trace_context_of_our_span(
    provider: Any, registered: Any, stream: bool
) -> None:
    with client_of(provider) as client:
        call(client, stream=stream)

    assert provider.asked[0].headers["traceparent"] == traceparent(registered.only_span())


async def test_an_async_request_carries_the_trace_context_of_our_span(
    provider: Any, registered: Any
) -> None:
    async with anthropic.AsyncAnthropic(api_key="none", base_url=provider.url) as client:
        await client.messages.create(**ASKED)

    assert provider.asked[0].headers["traceparent"] == traceparent(registered.only_span())


@pytest.mark.parametrize("chosen", [{"propagation": False}, False], ids=["no propagation", "off"])
def test_a_client_that_propagates_nothing_still_does_not(
    provider: Any, registered: Any, chosen: Any
) -> None:
    with client_of(provider, open_telemetry=chosen) as client:
        call(client)

    assert "traceparent" not in provider.asked[0].headers
    assert scopes_of(registered) == {OURS}


def test_our_span_is_in_the_conversation_of_its_client(provider: Any, registered: Any) -> None:
    with client_of(provider) as client:
        for conversation in ("one", "two"):
            chosen: Any = {**client.open_telemetry, "conversation_id": conversation}
            call(client.with_options(open_telemetry=chosen))
        call(client)

    found = [span.attributes.get("gen_ai.conversation.id") for span in registered.all()]
    assert found == ["one", "two", None]


def test_calls_that_are_no_model_calls_keep_their_native_spans(
    provider: Any, registered: Any
) -> None:
    with client_of(provider) as client:
        client.messages.count_tokens(model=ASKED["model"], messages=ASKED["messages"])

    assert [span.name for span in registered.all()] == ["anthropic.messages.count_tokens"]


def test_a_client_made_while_we_were_on_traces_itself_afterwards(
    provider: Any, registered: Any
) -> None:
    with client_of(provider) as client:
        call(client)
        instrumentation.uninstrument()
        call(client)

    assert [span.instrumentation_scope.name for span in registered.all()] == [OURS, NATIVE]
