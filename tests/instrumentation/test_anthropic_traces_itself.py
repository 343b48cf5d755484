"""The SDK's own spans beside ours: one call is billed once, whichever of them arrive."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest

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


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(
    ("native", "ours", "scopes"),
    [
        ("global provider", True, {OURS}),
        ("own provider", True, {NATIVE, OURS}),
        ("off", True, {OURS}),
        ("own provider", False, {NATIVE}),
    ],
)
def test_one_call_is_billed_once(
    provider: Any,
    spans: Any,
    billed: Any,
    monkeypatch: pytest.MonkeyPatch,
    native: str,
    ours: bool,
    scopes: set[str],
    stream: bool,
) -> None:
    chosen: Any = {
        "global provider": None,
        "own provider": {"tracer_provider": spans.provider},
        "off": False,
    }[native]
    if native == "global provider":
        monkeypatch.setattr("opentelemetry.trace.get_tracer_provider", lambda: spans.provider)
    if not ours:
        instrumentation.uninstrument()
    with client_of(provider, open_telemetry=chosen) as client:
        result = client.messages.create(**ASKED, stream=stream)
        if stream:
            exhaust(result)

    assert {span.instrumentation_scope.name for span in spans.all()} == scopes
    [row] = billed()
    assert (row["cost_nano"], row["input_tokens"]) == (COST_NANO, 1000)


def test_calls_that_are_no_model_calls_keep_their_native_spans(provider: Any, spans: Any) -> None:
    with client_of(provider, open_telemetry={"tracer_provider": spans.provider}) as client:
        client.messages.count_tokens(model=ASKED["model"], messages=ASKED["messages"])

    assert [span.name for span in spans.all()] == ["anthropic.messages.count_tokens"]
