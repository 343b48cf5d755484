"""Anthropic's SDK in front of Bedrock, Vertex AI and Foundry: another address, the same numbers."""

from __future__ import annotations

from typing import Any

import anthropic
import httpx2
import pytest

from tests.instrumentation.scenes import aexhaust, exhaust, shown

ASKED: dict[str, Any] = {
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Hello #input=1000 #cached=600 #output=20"}],
}
COUNTED = {
    "gen_ai.operation.name": "chat",
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.cache_read.input_tokens": 600,
    "gen_ai.usage.output_tokens": 20,
    "gen_ai.response.finish_reasons": ("end_turn",),
    "spantoll.usage.status": "reported",
    "server.address": "127.0.0.1",
}


KEYS = {"aws_access_key": "none", "aws_secret_key": "none", "aws_region": "us-east-1"}
CLIENTS: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "AnthropicBedrock": (
        KEYS,
        "us.anthropic.claude-haiku-4-5-20251001-v1:0",
        {"gen_ai.provider.name": "aws.bedrock", "spantoll.region": "us-east-1"},
    ),
    "AnthropicBedrockMantle": (
        KEYS,
        "anthropic.claude-haiku-4-5",
        {"gen_ai.provider.name": "aws.bedrock", "spantoll.region": "us-east-1"},
    ),
    "AnthropicVertex": (
        {"region": "europe-west1", "project_id": "p", "access_token": "none"},
        "claude-haiku-4-5@20251001",
        {"gen_ai.provider.name": "gcp.vertex_ai", "spantoll.region": "europe-west1"},
    ),
    "AnthropicFoundry": (
        {"api_key": "none"},
        "claude-haiku-4-5",
        {"gen_ai.provider.name": "anthropic"},
    ),
    # Anthropic's own API, billed by a cloud: its own prices.
    "AnthropicAWS": (
        {**KEYS, "workspace_id": "w"},
        "claude-haiku-4-5",
        {"gen_ai.provider.name": "anthropic"},
    ),
    "AnthropicGoogleCloud": (
        {"token_provider": lambda: "none", "workspace_id": "w"},
        "claude-haiku-4-5",
        {"gen_ai.provider.name": "anthropic"},
    ),
}
each = pytest.mark.parametrize("name", CLIENTS)


def client_of(name: str, **chosen: Any) -> Any:
    return getattr(anthropic, name)(**chosen, max_retries=0)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@each
def test_a_cloud_is_a_provider_of_its_own_and_counted_alike(
    provider: Any, spans: Any, name: str, stream: bool
) -> None:
    chosen, model, found = CLIENTS[name]
    with client_of(name, base_url=provider.url, **chosen) as client:
        result = client.messages.create(model=model, **ASKED, stream=stream)
        if stream:
            exhaust(result)

    expected = COUNTED | found | {"gen_ai.request.model": model}
    assert shown(spans.attributes(), expected) == expected


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@each
async def test_an_async_client_of_a_cloud_is_counted_alike(
    provider: Any, spans: Any, name: str, stream: bool
) -> None:
    chosen, model, found = CLIENTS[name]
    async with client_of(f"Async{name}", base_url=provider.url, **chosen) as client:
        result = await client.messages.create(model=model, **ASKED, stream=stream)
        if stream:
            await aexhaust(result)

    expected = COUNTED | found | {"gen_ai.request.model": model}
    assert shown(spans.attributes(), expected) == expected


LIST_PRICE = 400 * 1_000 + 600 * 100 + 20 * 5_000
IN_A_REGION = 400 * 1_100 + 600 * 110 + 20 * 5_500
"""aws.amazon.com/bedrock/pricing: in a region a tenth more than the list price."""


class Elsewhere(httpx2.HTTPTransport):
    """Takes what goes to a cloud's real address to the loopback provider."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = httpx2.URL(url)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        _, version, path = request.url.raw_path.partition(b"/v1/")
        there = self._url.copy_with(raw_path=version + path or request.url.raw_path)
        sent = httpx2.Request(
            request.method, there, headers=request.headers, content=request.read()
        )
        return super().handle_request(sent)


@pytest.mark.parametrize(
    ("name", "address", "answers", "host", "cost_nano"),
    [
        (
            "AnthropicFoundry",
            {"resource": "acme"},
            "azure.ai.inference",
            "acme.services.ai.azure.com",
            LIST_PRICE,
        ),
        (
            "AnthropicBedrock",
            {},
            "aws.bedrock",
            "bedrock-runtime.us-east-1.amazonaws.com",
            IN_A_REGION,
        ),
        (
            "AnthropicBedrockMantle",
            {},
            "aws.bedrock",
            "bedrock-mantle.us-east-1.api.aws",
            IN_A_REGION,
        ),
        (
            "AnthropicAWS",
            {},
            "anthropic",
            "aws-external-anthropic.us-east-1.api.aws",
            LIST_PRICE,
        ),
    ],
)
def test_a_cloud_is_priced_by_its_own_list(
    provider: Any,
    spans: Any,
    billed: Any,
    name: str,
    address: dict[str, str],
    answers: str,
    host: str,
    cost_nano: int,
) -> None:
    chosen, model, _ = CLIENTS[name]
    http = httpx2.Client(transport=Elsewhere(provider.url))
    with client_of(name, http_client=http, **chosen, **address) as client:
        client.messages.create(model=model, **ASKED)

    found = {"gen_ai.provider.name": answers, "server.address": host, "server.port": 443}
    assert shown(spans.attributes(), found) == found
    [row] = billed()
    assert (row["cost_nano"], row["pricing_status"]) == (cost_nano, "priced")
