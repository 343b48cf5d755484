from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import anthropic
import boto3
import cohere
import httpx2
import ollama
import openai
import pytest
from cerebras.cloud.sdk import Cerebras
from google import genai
from groq import Groq
from huggingface_hub import InferenceClient
from mistralai.client import Mistral
from opentelemetry import trace

from spantoll import instrumentation
from spantoll.instrumentation import registry

MESSAGES: Any = [{"role": "user", "content": "x"}]

BODY: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m-1",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "x"}}
    ],
}
BASIC = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}


def ask(base_url: str, usage: dict[str, Any] | None = None, **more: Any) -> None:
    """Make a chat call to a host by any name, without a network."""
    body = {**BODY, "usage": usage or BASIC, **more}
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json=body))
    client = openai.OpenAI(
        api_key="none", base_url=base_url, http_client=httpx2.Client(transport=transport)
    )
    client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])


HOSTS = [
    ("https://api.openai.com/v1", "openai", "api.openai.com", 443),
    ("https://acme.openai.azure.com/openai/v1/", "azure.ai.openai", "acme.openai.azure.com", 443),
    ("https://openrouter.ai/api/v1", "openrouter", "openrouter.ai", 443),
    ("https://api.groq.com/openai/v1", "groq", "api.groq.com", 443),
    ("https://api.deepseek.com", "deepseek", "api.deepseek.com", 443),
    ("https://api.cerebras.ai/v1", "cerebras", "api.cerebras.ai", 443),
    ("https://api.together.xyz/v1", "together_ai", "api.together.xyz", 443),
    ("https://api.fireworks.ai/inference/v1", "fireworks_ai", "api.fireworks.ai", 443),
    ("https://api.mistral.ai/v1", "mistral_ai", "api.mistral.ai", 443),
    ("https://api.x.ai/v1", "x_ai", "api.x.ai", 443),
    ("https://api.perplexity.ai", "perplexity", "api.perplexity.ai", 443),
    ("https://router.huggingface.co/v1", "huggingface", "router.huggingface.co", 443),
    ("http://localhost:11434/v1", "ollama", "localhost", 11434),
    ("http://gpu-1:1234/v1", "lm_studio", "gpu-1", 1234),
    ("http://llm.example.com:8000/v1", "openai", "llm.example.com", 8000),
]


@pytest.mark.parametrize(
    ("base_url", "provider", "address", "port"), HOSTS, ids=[host[0] for host in HOSTS]
)
def test_a_host_is_known_by_its_base_url(
    spans: Any, base_url: str, provider: str, address: str, port: int
) -> None:
    ask(base_url)

    found = spans.attributes()
    assert found["gen_ai.provider.name"] == provider
    assert (found["server.address"], found["server.port"]) == (address, port)


def test_a_host_of_ones_own_is_named_by_the_application(spans: Any) -> None:
    instrumentation.uninstrument()
    instrumentation.instrument(
        tracer_provider=spans.provider, hosts={"llm.example.com:8000": "vllm"}
    )

    ask("http://llm.example.com:8000/v1")

    assert spans.attributes()["gen_ai.provider.name"] == "vllm"


def test_a_host_of_ones_own_is_named_by_the_environment(
    spans: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPANTOLL_PROVIDER_HOSTS", "llm.example.com = vllm, other:1=sglang")
    instrumentation.uninstrument()
    instrumentation.instrument(tracer_provider=spans.provider)

    ask("http://llm.example.com:8000/v1")

    assert spans.attributes()["gen_ai.provider.name"] == "vllm"


def test_a_client_that_moves_to_another_host_is_seen_there(spans: Any, provider: Any) -> None:
    with openai.OpenAI(api_key="none", base_url=f"{provider.url}/v1") as client:
        client.base_url = f"http://localhost:{provider.port}/v1"
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])

    assert spans.attributes()["server.address"] == "localhost"


def test_data_residency_is_a_region(spans: Any) -> None:
    ask("https://eu.api.openai.com/v1")

    assert spans.attributes()["spantoll.region"] == "eu"


USAGES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "OpenRouter reports what it charges": (
        "https://openrouter.ai/api/v1",
        {**BASIC, "cost": 0.00125},
        {
            "spantoll.usage.cost.amount": 0.00125,
            "spantoll.usage.cost.currency": "USD",
            "spantoll.usage.cost.source": "provider",
        },
    ),
    "OpenRouter with a key of one's own": (
        "https://openrouter.ai/api/v1",
        {
            **BASIC,
            "cost": 0.01,
            "is_byok": True,
            "cost_details": {"upstream_inference_cost": 0.2},
        },
        {"spantoll.usage.cost.amount": 0.21},
    ),
    "OpenRouter does not add the upstream's cost twice": (
        "https://openrouter.ai/api/v1",
        {
            **BASIC,
            "cost": 0.2,
            "is_byok": False,
            "cost_details": {"upstream_inference_cost": 0.2},
        },
        {"spantoll.usage.cost.amount": 0.2},
    ),
    "Perplexity": (
        "https://api.perplexity.ai",
        {**BASIC, "num_search_queries": 3, "cost": {"total_cost": 0.006}},
        {"spantoll.usage.cost.amount": 0.006, "spantoll.usage.units.web_searches": 3},
    ),
    "DeepSeek": (
        "https://api.deepseek.com",
        {**BASIC, "prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36},
        {"gen_ai.usage.cache_read.input_tokens": 64, "gen_ai.usage.input_tokens": 100},
    ),
    "DeepSeek in OpenAI's words wins": (
        "https://api.deepseek.com",
        {
            **BASIC,
            "prompt_tokens_details": {"cached_tokens": 64},
            "prompt_cache_hit_tokens": 1,
        },
        {"gen_ai.usage.cache_read.input_tokens": 64},
    ),
    "xAI leaves reasoning out of completion tokens": (
        "https://api.x.ai/v1",
        {
            **BASIC,
            "total_tokens": 170,
            "completion_tokens_details": {"reasoning_tokens": 50},
        },
        {"gen_ai.usage.output_tokens": 70, "gen_ai.usage.reasoning.output_tokens": 50},
    ),
    "xAI reports what it charges in ticks": (
        "https://api.x.ai/v1",
        {**BASIC, "cost_in_usd_ticks": 37_756_000},
        {
            "spantoll.usage.cost.amount": 0.0037756,
            "spantoll.usage.cost.currency": "USD",
            "spantoll.usage.cost.source": "provider",
        },
    ),
    "Gemini's OpenAI endpoint counts thoughts in the total only": (
        "https://generativelanguage.googleapis.com/v1beta/openai/",
        {**BASIC, "total_tokens": 170},
        {"gen_ai.usage.output_tokens": 70, "gen_ai.provider.name": "gcp.gemini"},
    ),
    "reasoning inside completion tokens is not added": (
        "https://api.openai.com/v1",
        {**BASIC, "completion_tokens_details": {"reasoning_tokens": 15}},
        {"gen_ai.usage.output_tokens": 20},
    ),
    "audio and image parts": (
        "https://api.openai.com/v1",
        {
            **BASIC,
            "prompt_tokens_details": {"audio_tokens": 30, "image_tokens": 10, "text_tokens": 60},
            "completion_tokens_details": {"audio_tokens": 12, "text_tokens": 8},
        },
        {
            "gen_ai.usage.audio.input_tokens": 30,
            "gen_ai.usage.image.input_tokens": 10,
            "gen_ai.usage.text.input_tokens": 60,
            "gen_ai.usage.audio.output_tokens": 12,
        },
    ),
    "cache writes under both names": (
        "https://openrouter.ai/api/v1",
        {**BASIC, "prompt_tokens_details": {"cache_write_tokens": 40, "cached_tokens": 0}},
        {
            "gen_ai.usage.cache_write.input_tokens": 40,
            "gen_ai.usage.cache_creation.input_tokens": 40,
            "gen_ai.usage.cache_read.input_tokens": 0,
        },
    ),
}


@pytest.mark.parametrize(("base_url", "usage", "expected"), list(USAGES.values()), ids=list(USAGES))
def test_each_hosts_usage_means_the_same(
    spans: Any, base_url: str, usage: dict[str, Any], expected: dict[str, Any]
) -> None:
    ask(base_url, usage)

    found = spans.attributes()
    assert {key: found.get(key) for key in expected} == expected


def test_groq_reports_usage_beside_the_stream(spans: Any) -> None:
    chunk = {**BODY, "object": "chat.completion.chunk", "x_groq": {"id": "r", "usage": BASIC}}
    chunk["choices"] = [{"index": 0, "delta": {}, "finish_reason": "stop"}]
    first = {**chunk, "x_groq": {"id": "r"}}
    first["choices"] = [{"index": 0, "delta": {"content": "x"}, "finish_reason": None}]
    answer = httpx2.Response(
        200,
        headers={"content-type": "text/event-stream"},
        text="".join(f"data: {part}\n\n" for part in map(_json, (first, chunk))),
    )
    client = openai.OpenAI(
        api_key="none",
        base_url="https://api.groq.com/openai/v1",
        http_client=httpx2.Client(transport=httpx2.MockTransport(lambda _: answer)),
    )
    list(
        client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "x"}], stream=True
        )
    )

    assert spans.attributes()["gen_ai.usage.input_tokens"] == 100
    assert spans.attributes()["gen_ai.usage.output_tokens"] == 20


def _json(value: dict[str, Any]) -> str:
    return httpx2.Response(200, json=value).text


def respond(value: dict[str, Any] | str, **more: Any) -> None:
    """Make a call to the responses API whose answer is given."""
    answer = (
        httpx2.Response(200, json=value)
        if isinstance(value, dict)
        else httpx2.Response(200, headers={"content-type": "text/event-stream"}, text=value)
    )
    http = httpx2.Client(transport=httpx2.MockTransport(lambda _: answer))
    client = openai.OpenAI(api_key="none", http_client=http)
    result = client.responses.create(model="m", input="x", **more)
    if more.get("stream"):
        list(result)


RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "m-1",
    "output": [],
    "usage": {"input_tokens": 9, "output_tokens": 4, "total_tokens": 13},
}
FAILED = {"status": "failed", "error": {"code": "server_error", "message": "secret words"}}


@pytest.mark.parametrize(
    ("more", "reasons", "error"),
    [
        ({"status": "completed"}, ("stop",), None),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
            ("max_output_tokens",),
            None,
        ),
        (FAILED, ("error",), "server_error"),
        ({"status": "queued", "usage": None}, None, None),
    ],
    ids=["completed", "incomplete", "failed", "in the background"],
)
def test_a_response_reports_how_it_ended(
    spans: Any, more: dict[str, Any], reasons: tuple[str, ...] | None, error: str | None
) -> None:
    respond({**RESPONSE, **more})

    found = spans.attributes()
    assert found.get("gen_ai.response.finish_reasons") == reasons
    assert found.get("error.type") == error
    assert spans.only_span().status.is_ok is (error is None)
    assert "secret" not in spans.only_span().to_json()


def test_a_response_that_fails_in_its_stream_is_a_failed_span(spans: Any) -> None:
    created = {"type": "response.created", "response": {**RESPONSE, "usage": None}}
    failed = {"type": "response.failed", "response": {**RESPONSE, **FAILED}}

    respond("".join(f"data: {_json(event)}\n\n" for event in (created, failed)), stream=True)

    found = spans.attributes()
    assert found["error.type"] == "server_error"
    assert found["gen_ai.usage.input_tokens"] == 9
    assert not spans.only_span().status.is_ok


XAI = "https://api.x.ai/v1"


def draw(http: httpx2.Client) -> None:
    with openai.OpenAI(api_key="none", base_url=XAI, http_client=http) as client:
        client.images.generate(model="grok-imagine-image", prompt="x")


def answer_at_length(http: httpx2.Client) -> None:
    with openai.OpenAI(api_key="none", base_url=XAI, http_client=http) as client:
        client.responses.create(model="grok-4.6", input="x")


@pytest.mark.parametrize(
    ("call", "body"),
    [
        (draw, {"created": 1, "data": [{"url": "x"}], "usage": {}}),
        (answer_at_length, RESPONSE),
    ],
    ids=["images", "responses"],
)
def test_xais_ticks_are_what_is_billed(
    spans: Any,
    billed: Any,
    call: Callable[[httpx2.Client], None],
    body: dict[str, Any],
) -> None:
    usage = {**body["usage"], "cost_in_usd_ticks": 37_756_001}
    answer = httpx2.Response(200, json={**body, "usage": usage})

    call(httpx2.Client(transport=httpx2.MockTransport(lambda _: answer)))

    (row,) = billed()
    assert (row["provider"], row["cost_nano"]) == ("x_ai", 3_775_600)


def test_http_spans_are_below_ours_where_one_provider_makes_both(
    spans: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: spans.provider)
    current = []

    def answer(_: httpx2.Request) -> httpx2.Response:
        current.append(trace.get_current_span().get_span_context().span_id)
        return httpx2.Response(200, json={**BODY, "usage": BASIC})

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    client = openai.OpenAI(api_key="none", http_client=http)
    client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])

    assert current == [spans.only_span().context.span_id]
    assert not trace.get_current_span().get_span_context().is_valid


def call_openai(url: str) -> None:
    with openai.OpenAI(api_key="none", base_url=f"{url}/v1") as client:
        client.chat.completions.create(model="m", messages=MESSAGES)


def call_anthropic(url: str) -> None:
    with anthropic.Anthropic(api_key="none", base_url=url) as client:
        client.messages.create(model="claude-opus-5", max_tokens=10, messages=MESSAGES)


def call_bedrock(url: str) -> None:
    client = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="none",
        aws_secret_access_key="none",
    )
    with closing(client):
        client.converse(modelId="m", messages=[{"role": "user", "content": [{"text": "x"}]}])


def call_cerebras(url: str) -> None:
    with Cerebras(api_key="none", base_url=url, warm_tcp_connection=False) as client:
        client.chat.completions.create(model="m", messages=MESSAGES)


def call_cohere(url: str) -> None:
    with cohere.ClientV2("none", base_url=url) as client:
        client.chat(model="m", messages=MESSAGES)


def call_google_genai(url: str) -> None:
    options = genai.types.HttpOptions(base_url=url)
    with closing(genai.Client(api_key="none", http_options=options)) as client:
        client.models.generate_content(model="gemini-2.5-flash", contents="x")


def call_groq(url: str) -> None:
    with Groq(api_key="none", base_url=url) as client:
        client.chat.completions.create(model="m", messages=MESSAGES)


def call_huggingface(url: str) -> None:
    with InferenceClient(api_key="none", base_url=f"{url}/v1") as client:
        client.chat_completion(model="m", messages=MESSAGES)


def call_mistral(url: str) -> None:
    with Mistral(api_key="none", server_url=url) as client:
        client.chat.complete(model="m", messages=MESSAGES)


def call_ollama(url: str) -> None:
    client = ollama.Client(url)
    with closing(client._client):
        client.chat(model="m", messages=MESSAGES)


CALLS_AT_A_HOST: dict[str, Callable[[str], None]] = {
    "anthropic": call_anthropic,
    "bedrock": call_bedrock,
    "cerebras": call_cerebras,
    "cohere": call_cohere,
    "google_genai": call_google_genai,
    "groq": call_groq,
    "huggingface": call_huggingface,
    "mistral": call_mistral,
    "ollama": call_ollama,
    "openai": call_openai,
}


def test_each_provider_is_called_at_a_host_of_ones_own() -> None:
    assert set(CALLS_AT_A_HOST) == set(registry.discover())


@pytest.mark.parametrize("sdk", CALLS_AT_A_HOST)
def test_each_sdk_honours_the_hosts_setting(sdk: str, provider: Any, spans: Any) -> None:
    instrumentation.uninstrument()
    gateway = {f"127.0.0.1:{provider.port}": "my_gateway"}
    instrumentation.instrument(tracer_provider=spans.provider, hosts=gateway)

    CALLS_AT_A_HOST[sdk](provider.url)

    assert spans.attributes()["gen_ai.provider.name"] == "my_gateway"
