"""Anthropic's SDK in front of Bedrock, Vertex AI and Foundry: another address, the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anthropic
import pytest

from tests.instrumentation.scenes import exhaust, shown

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


def bedrock(url: str) -> Any:
    return anthropic.AnthropicBedrock(
        aws_region="us-east-1",
        aws_access_key="none",
        aws_secret_key="none",
        base_url=url,
        max_retries=0,
    )


def vertex(url: str) -> Any:
    return anthropic.AnthropicVertex(
        region="europe-west1", project_id="p", access_token="none", base_url=url, max_retries=0
    )


def foundry(url: str) -> Any:
    return anthropic.AnthropicFoundry(api_key="none", base_url=url, max_retries=0)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(
    ("client", "model", "told"),
    [
        (
            bedrock,
            "us.anthropic.claude-haiku-4-5-20251001-v1:0",
            {"gen_ai.provider.name": "aws.bedrock", "spantoll.region": "us-east-1"},
        ),
        (
            vertex,
            "claude-haiku-4-5@20251001",
            {"gen_ai.provider.name": "gcp.vertex_ai", "spantoll.region": "europe-west1"},
        ),
        (foundry, "claude-haiku-4-5", {"gen_ai.provider.name": "anthropic"}),
    ],
)
def test_a_cloud_is_told_apart_and_counted_alike(
    provider: Any,
    spans: Any,
    client: Callable[[str], Any],
    model: str,
    told: dict[str, Any],
    stream: bool,
) -> None:
    with client(provider.url) as made:
        result = made.messages.create(model=model, **ASKED, stream=stream)
        if stream:
            exhaust(result)

    expected = COUNTED | told | {"gen_ai.request.model": model}
    assert shown(spans.told(), expected) == expected


def test_bedrock_is_priced_by_its_own_list(provider: Any, spans: Any, billed: Any) -> None:
    with bedrock(provider.url) as client:
        client.messages.create(model="us.anthropic.claude-haiku-4-5-20251001-v1:0", **ASKED)

    # aws.amazon.com/bedrock/pricing: in a US region a tenth more than the list price.
    expected = 400 * 1_100 + 600 * 110 + 20 * 5_500
    assert [row["cost_nano"] for row in billed()] == [expected]
