from __future__ import annotations

from typing import Any

import httpx2
import openai
import pytest

from spantoll import instrumentation

CHUNKS = (
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m",'
    b'"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n'
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[],'
    b'"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}\n\ndata: [DONE]\n\n'
)


class Host:
    """A host by any name, without a network."""

    def __init__(self) -> None:
        self.body = b""

    def client(self, base_url: str) -> openai.OpenAI:
        transport = httpx2.MockTransport(self._answer)
        http = httpx2.Client(transport=transport)
        return openai.OpenAI(api_key="none", base_url=base_url, http_client=http)

    def azure(self, version: str) -> openai.AzureOpenAI:
        return openai.AzureOpenAI(
            api_key="none",
            api_version=version,
            azure_endpoint="https://acme.openai.azure.com",
            http_client=httpx2.Client(transport=httpx2.MockTransport(self._answer)),
        )

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.body = request.content
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=CHUNKS)


@pytest.fixture
def host() -> Host:
    return Host()


ASKED = ["https://api.openai.com/v1", "https://eu.api.openai.com/v1", "http://localhost:8000/v1"]
ASKED += ["https://openrouter.ai/api/v1", "https://api.deepseek.com", "http://127.0.0.1:11434/v1"]
NOT_ASKED = ["https://api.mistral.ai/v1", "https://api.perplexity.ai", "https://llm.example.com/v1"]


@pytest.mark.parametrize("base_url", ASKED)
def test_hosts_that_support_it_are_asked_and_the_chunk_is_hidden(
    host: Host, spans: Any, question: Any, base_url: str
) -> None:
    chunks = list(host.client(base_url).chat.completions.create(**question(stream=True)))

    assert b'"stream_options":{"include_usage":true}' in host.body
    assert [len(chunk.choices) for chunk in chunks] == [1]
    assert spans.attributes()["gen_ai.usage.input_tokens"] == 7


@pytest.mark.parametrize("base_url", NOT_ASKED)
def test_hosts_that_may_refuse_it_are_not_asked(
    host: Host, spans: Any, question: Any, base_url: str
) -> None:
    chunks = list(host.client(base_url).chat.completions.create(**question(stream=True)))

    assert b"stream_options" not in host.body
    assert [len(chunk.choices) for chunk in chunks] == [1, 0]


def test_the_callers_own_options_are_respected(host: Host, spans: Any, question: Any) -> None:
    client = host.client("https://api.openai.com/v1")
    asked = question(stream=True, stream_options={"include_usage": True})

    chunks = list(client.chat.completions.create(**asked))

    assert [len(chunk.choices) for chunk in chunks] == [1, 0]


def test_a_caller_that_refuses_usage_is_respected(host: Host, spans: Any, question: Any) -> None:
    client = host.client("https://api.openai.com/v1")
    asked = question(stream=True, stream_options={"include_usage": False})

    list(client.chat.completions.create(**asked))

    assert b'"include_usage":false' in host.body


def test_other_options_of_the_caller_stay(host: Host, spans: Any, question: Any) -> None:
    client = host.client("https://api.openai.com/v1")
    asked = question(stream=True, extra_body={"stream_options": {"include_obfuscation": False}})

    chunks = list(client.chat.completions.create(**asked))

    assert b'{"include_obfuscation":false,"include_usage":true}' in host.body
    assert [len(chunk.choices) for chunk in chunks] == [1]


def test_it_can_be_switched_off(host: Host, question: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANTOLL_STREAM_USAGE", "false")
    instrumentation.instrument()
    try:
        client = host.client("https://api.openai.com/v1")
        list(client.chat.completions.create(**question(stream=True)))
    finally:
        instrumentation.uninstrument()

    assert b"stream_options" not in host.body


@pytest.mark.parametrize(("version", "asked"), [("2024-10-21", True), ("2024-02-01", False)])
def test_azure_is_asked_from_the_version_that_knows_it(
    host: Host, spans: Any, question: Any, version: str, asked: bool
) -> None:
    list(host.azure(version).chat.completions.create(**question(stream=True)))

    assert (b"stream_options" in host.body) is asked
    assert spans.attributes()["gen_ai.provider.name"] == "azure.ai.openai"
    assert spans.attributes()["server.address"] == "acme.openai.azure.com"


def test_azure_on_your_data_is_not_asked(host: Host, spans: Any, question: Any) -> None:
    asked = question(stream=True, extra_body={"data_sources": []})

    list(host.azure("2024-10-21").chat.completions.create(**asked))

    assert b"stream_options" not in host.body


def test_no_usage_is_recorded_as_missing_never_invented(
    host: Host, spans: Any, question: Any
) -> None:
    client = host.client("https://llm.example.com/v1")

    stream = client.chat.completions.create(**question(stream=True))
    next(stream)
    stream.close()

    assert spans.attributes()["spantoll.usage.status"] == "missing"
    assert not [key for key in spans.attributes() if key.startswith("gen_ai.usage.")]
