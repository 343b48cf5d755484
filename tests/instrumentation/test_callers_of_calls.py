"""What an application passes to an SDK about its user, session and purpose, to the ledger."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

import anthropic
import boto3
import openai
import pytest
from google import genai
from groq import Groq
from hypothesis import given
from hypothesis import strategies as st
from mistralai.client import Mistral

from spantoll import instrumentation
from spantoll.instrumentation import attributes
from spantoll.instrumentation.caller import CALLER_FIELDS, MOST_METADATA, set_caller
from spantoll.instrumentation.provider import Call

MESSAGES: Any = [{"role": "user", "content": "x #input=10 #output=2"}]
WORDS = [{"role": "user", "content": [{"text": "x"}]}]
CLAUDE_BODY = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 9,
    "messages": MESSAGES,
}


def chat(url: str, **more: Any) -> None:
    with openai.OpenAI(api_key="none", base_url=f"{url}/v1") as client:
        client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, **more)


def respond(url: str, **more: Any) -> None:
    with openai.OpenAI(api_key="none", base_url=f"{url}/v1") as client:
        client.responses.create(model="gpt-4o-mini", input="x", **more)


def embed(url: str, **more: Any) -> None:
    with openai.OpenAI(api_key="none", base_url=f"{url}/v1") as client:
        client.embeddings.create(model="text-embedding-3-small", input="x", **more)


def message(url: str, **more: Any) -> None:
    with anthropic.Anthropic(api_key="none", base_url=url) as client:
        client.messages.create(model="claude-opus-5", max_tokens=9, messages=MESSAGES, **more)


def runtime(url: str) -> Any:
    made = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="none",
        aws_secret_access_key="none",
    )
    return closing(made)


def converse(url: str, **more: Any) -> None:
    with runtime(url) as client:
        client.converse(modelId="amazon.nova-lite-v1:0", messages=WORDS, **more)


def invoke(url: str, body: dict[str, Any], **more: Any) -> None:
    with runtime(url) as client:
        client.invoke_model(
            modelId="anthropic.claude-sonnet-4-5-20250929-v1:0", body=json.dumps(body), **more
        )


def generate(url: str, config: Any) -> None:
    options = genai.types.HttpOptions(base_url=url)
    client = genai.Client(api_key="none", http_options=options)
    # Only Vertex AI takes labels; its SDK refuses them for Gemini's own API before any request.
    client._api_client.vertexai = True
    with closing(client):
        client.models.generate_content(model="gemini-2.5-flash", contents="x", config=config)


def mistral(url: str, **more: Any) -> None:
    with Mistral(api_key="none", server_url=url) as client:
        client.chat.complete(model="mistral-small-latest", messages=MESSAGES, **more)


def groq(url: str, **more: Any) -> None:
    with Groq(api_key="none", base_url=url) as client:
        client.chat.completions.create(model="m", messages=MESSAGES, **more)


CALLERS: dict[str, tuple[Callable[[str], None], dict[str, Any], dict[str, Any]]] = {
    "OpenAI's user": (lambda url: chat(url, user="u1"), {"user_id": "u1"}, {}),
    "OpenAI's safety identifier": (
        lambda url: chat(url, safety_identifier="hash1"),
        {"user_id": "hash1"},
        {},
    ),
    "both": (
        lambda url: chat(url, user="u1", safety_identifier="hash1"),
        {"user_id": "u1"},
        {"safety_identifier": "hash1"},
    ),
    "OpenAI's cache key": (
        lambda url: chat(url, prompt_cache_key="inbox"),
        {"user_id": None},
        {"prompt_cache_key": "inbox"},
    ),
    "OpenAI's metadata": (
        lambda url: chat(url, metadata={"customer_id": "acme", "ticket": "7"}),
        {"customer_id": "acme"},
        {"ticket": "7"},
    ),
    "metadata does not replace the user": (
        lambda url: chat(url, user="u1", metadata={"user_id": "u2"}),
        {"user_id": "u1"},
        {},
    ),
    "metadata does not choose a tenant": (
        lambda url: chat(url, metadata={"tenant": "other", "service_name": "x"}),
        {"user_id": None},
        {"tenant": "other", "service_name": "x"},
    ),
    "Responses": (
        lambda url: respond(url, user="u1", metadata={"team": "search"}, store=False),
        {"user_id": "u1", "team": "search"},
        {},
    ),
    "a conversation": (
        lambda url: respond(url, conversation="conv_1"),
        {"session_id": "conv_1"},
        {},
    ),
    "a previous response": (
        lambda url: respond(url, previous_response_id="resp_1"),
        {"session_id": "resp_1"},
        {},
    ),
    "embeddings": (lambda url: embed(url, user="u1"), {"user_id": "u1"}, {}),
    "OpenRouter's session": (
        lambda url: chat(url, extra_body={"session_id": "s1", "user": "u1"}),
        {"session_id": "s1", "user_id": "u1"},
        {},
    ),
    "Azure's end user": (
        lambda url: chat(url, extra_body={"user_security_context": {"end_user_id": "u1"}}),
        {"user_id": "u1"},
        {},
    ),
    "Anthropic": (lambda url: message(url, metadata={"user_id": "u1"}), {"user_id": "u1"}, {}),
    "Bedrock": (
        lambda url: converse(url, requestMetadata={"project": "inbox", "ticket": "7"}),
        {"project": "inbox"},
        {"ticket": "7"},
    ),
    "Bedrock, an invoked model": (
        lambda url: invoke(
            url,
            {**CLAUDE_BODY, "metadata": {"user_id": "u1"}},
        ),
        {"user_id": "u1"},
        {},
    ),
    "Vertex AI": (
        lambda url: generate(url, {"labels": {"team": "search", "cost_centre": "12"}}),
        {"team": "search"},
        {"cost_centre": "12"},
    ),
    "Mistral": (
        lambda url: mistral(url, metadata={"customer_id": "acme"}, prompt_cache_key="k"),
        {"customer_id": "acme"},
        {"prompt_cache_key": "k"},
    ),
    "Groq": (lambda url: groq(url, user="u1"), {"user_id": "u1"}, {}),
}


@pytest.mark.parametrize(("call", "columns", "metadata"), CALLERS.values(), ids=list(CALLERS))
def test_the_caller_of_a_request_reaches_the_ledger(
    provider: Any,
    spans: Any,
    billed: Any,
    call: Callable[[str], None],
    columns: dict[str, Any],
    metadata: dict[str, Any],
) -> None:
    call(provider.url)

    (record,) = billed()
    assert {column: record[column] for column in columns} == columns
    assert json.loads(record["metadata"] or "{}") == metadata


def test_attributes_win_over_the_request(provider: Any, spans: Any, billed: Any) -> None:
    with attributes(user_id="ann", session_id="s1", ticket="8"):
        respond(provider.url, user="u1", conversation="c1", metadata={"ticket": "7"})

    (record,) = billed()
    assert (record["user_id"], record["session_id"]) == ("ann", "s1")
    assert json.loads(record["metadata"]) == {"ticket": "8"}


EVERYTHING: dict[str, Any] = {
    "user": "u1",
    "safety_identifier": "hash1",
    "prompt_cache_key": "k",
    "metadata": {"ticket": "7"},
    "previous_response_id": "r1",
}
MADE = {
    "user": ("user.id", "u1"),
    "safety_identifier": ("spantoll.metadata.safety_identifier", "hash1"),
    "prompt_cache_key": ("spantoll.metadata.prompt_cache_key", "k"),
    "metadata": ("spantoll.metadata.ticket", "7"),
    "session": ("session.id", "r1"),
}


@pytest.mark.parametrize("off", sorted(CALLER_FIELDS))
def test_each_field_can_be_switched_off(provider: Any, spans: Any, off: str) -> None:
    instrumentation.uninstrument()
    instrumentation.instrument(tracer_provider=spans.provider, caller_fields=CALLER_FIELDS - {off})

    respond(provider.url, **EVERYTHING)

    found = spans.attributes()
    key, value = MADE[off]
    assert found.get(key) != value
    kept = {name: pair for name, pair in MADE.items() if name != off}
    if off == "user":
        kept["safety_identifier"] = ("user.id", "hash1")
    assert {key: found.get(key) for key, _ in kept.values()} == dict(kept.values())


@pytest.mark.parametrize("text", ["none", "", "off"])
def test_the_environment_switches_all_of_them_off(
    provider: Any, spans: Any, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("SPANTOLL_CALLER_FIELDS", text)
    instrumentation.uninstrument()
    instrumentation.instrument(tracer_provider=spans.provider)

    respond(provider.url, **EVERYTHING)

    assert not {key for key, _ in MADE.values()} & set(spans.attributes())


def test_a_field_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="username"):
        instrumentation.instrument(caller_fields=["username"])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=10,
)
CALL = Call("chat", caller={name: name for name in CALLER_FIELDS})


@given(body=st.fixed_dictionaries({}, optional=dict.fromkeys(sorted(CALLER_FIELDS), JSON)))
def test_any_request_becomes_attributes_only(body: dict[str, Any]) -> None:
    values = CALL.read_request(body)

    set_caller(values, CALLER_FIELDS)

    assert all(isinstance(value, str | int | float) for value in values.values())
    assert len(values) <= MOST_METADATA + len(CALLER_FIELDS)
