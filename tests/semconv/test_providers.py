"""Who was called: by name, by API host, by the form of the model id."""

from __future__ import annotations

from typing import Any

import pytest

from tests.semconv.spans import GENAI, OTEL, read_call


@pytest.mark.parametrize(
    ("name", "attributes", "provider"),
    [
        ("Completions", {"mlflow.message.format": '"mistral"'}, "mistral_ai"),
        ("Completions", {"mlflow.message.format": '"openai"'}, None),
        ("BedrockRuntime.invoke_model", {"mlflow.llm.provider": '"us"'}, "aws.bedrock"),
        (
            "converse",
            {"mlflow.message.format": '"bedrock"', "mlflow.llm.provider": '"us"'},
            "aws.bedrock",
        ),
    ],
)
def test_provider_of_mlflow_follows_from_the_sdk(
    name: str, attributes: dict[str, Any], provider: str | None
) -> None:
    kind = {"mlflow.spanType": '"CHAT_MODEL"'}

    assert read_call("mlflow.tracing.provider", kind | attributes, name=name).provider == provider


@pytest.mark.parametrize(
    ("attributes", "provider"),
    [
        ({"gen_ai.provider.name": "openai"}, "openai"),
        ({"gen_ai.system": "az.ai.openai"}, "azure.ai.openai"),
        ({"gen_ai.system": "openai.chat"}, "openai"),
        ({"gen_ai.system": "xai"}, "x_ai"),
        ({"gen_ai.system": "Langchain"}, None),
        ({"gen_ai.system": "openai", "server.address": "api.deepseek.com"}, "deepseek"),
        ({"gen_ai.system": "openai", "server.address": "x.openai.azure.com"}, "azure.ai.openai"),
        (
            {"gen_ai.system": "openai", "gen_ai.openai.api_base": "https://openrouter.ai/api/v1"},
            "openrouter",
        ),
        ({"gen_ai.system": "openai", "server.address": "localhost"}, "openai"),
        ({"server.address": "bedrock-runtime.eu-west-1.amazonaws.com"}, "aws.bedrock"),
        ({"server.address": "europe-west4-aiplatform.googleapis.com"}, "gcp.vertex_ai"),
        ({}, None),
    ],
)
def test_provider_is_named_canonically(attributes: dict[str, Any], provider: str | None) -> None:
    assert read_call(OTEL, GENAI | attributes).provider == provider


def test_region_comes_out_of_the_bedrock_host() -> None:
    host = {"server.address": "bedrock-runtime.eu-west-1.amazonaws.com"}

    assert read_call(OTEL, GENAI | host).region == "eu-west-1"
