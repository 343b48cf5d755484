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
        (
            {"gen_ai.system": "openai", "server.address": "ai-gateway.vercel.sh"},
            "vercel_ai_gateway",
        ),
        ({"gen_ai.system": "google_vertexai"}, "gcp.vertex_ai"),
        ({"gen_ai.provider.name": "microsoft.foundry"}, "azure.ai.inference"),
        ({"gen_ai.provider.name": "azure.ai"}, "azure.ai.inference"),
        ({"gen_ai.system": "az.ai.agents"}, "azure.ai.inference"),
        ({"gen_ai.system": "vertex-ai"}, "gcp.vertex_ai"),
        ({"gen_ai.system": "langgenius/openai/openai"}, "openai"),
        ({"gen_ai.system": "langgenius/azure_openai/azure_openai"}, "azure.ai.openai"),
        ({"gen_ai.system": "langgenius/gemini/google"}, "gcp.gen_ai"),
        ({"server.address": "europe-west4-aiplatform.googleapis.com"}, "gcp.vertex_ai"),
        ({}, None),
    ],
)
def test_provider_is_named_canonically(attributes: dict[str, Any], provider: str | None) -> None:
    assert read_call(OTEL, GENAI | attributes).provider == provider


AI_SDK_PROVIDERS = {
    "amazon-bedrock": "aws.bedrock",
    "anthropic.messages": "anthropic",
    "azure.anthropic.messages": "azure.ai.inference",
    "azure.responses": "azure.ai.openai",
    "bedrock.anthropic.messages": "aws.bedrock",
    "deepseek.chat": "deepseek",
    "gateway": "vercel_ai_gateway",
    "google.generative-ai": "gcp.gemini",
    "google.vertex.chat": "gcp.vertex_ai",
    "google.vertex.embedding": "gcp.vertex_ai",
    "googleVertex.anthropic.messages": "gcp.vertex_ai",
    "openai.transcription": "openai",
    "vertex.anthropic.messages": "gcp.vertex_ai",
    "vertex.maas.chat": "gcp.vertex_ai",
}


@pytest.mark.parametrize("written", AI_SDK_PROVIDERS)
def test_the_ai_sdk_appends_the_api_to_the_provider(written: str) -> None:
    span = {"ai.operationId": "ai.generateText.doGenerate", "ai.model.provider": written}

    assert read_call("ai", span).provider == AI_SDK_PROVIDERS[written]


def test_region_comes_out_of_the_bedrock_host() -> None:
    host = {"server.address": "bedrock-runtime.eu-west-1.amazonaws.com"}

    assert read_call(OTEL, GENAI | host).region == "eu-west-1"


BEDROCK_PROFILE = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"


@pytest.mark.parametrize("scope", ["logfire.anthropic", "opentelemetry.instrumentation.anthropic"])
@pytest.mark.parametrize(
    ("model", "provider"),
    [
        (BEDROCK_PROFILE, "aws.bedrock"),
        ("anthropic.claude-sonnet-4-5-20250929-v1:0", "aws.bedrock"),
        ("us-gov.anthropic.claude-3-5-sonnet-20240620-v1:0", "aws.bedrock"),
        ("arn:aws:bedrock:eu-west-1:123:inference-profile/" + BEDROCK_PROFILE, "aws.bedrock"),
        ("claude-sonnet-4-5@20250929", "gcp.vertex_ai"),
        ("claude-sonnet-4-5-20250929", "anthropic"),
        ("my-anthropic.proxy-model", "anthropic"),
    ],
)
def test_anthropics_clients_of_clouds_are_known_by_the_model_id(
    scope: str, model: str, provider: str
) -> None:
    attributes = {
        "gen_ai.system": "anthropic",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": model,
        "gen_ai.response.model": "claude-sonnet-4-5-20250929",
    }

    found = read_call(scope, attributes)

    assert (found.provider, found.provider_raw) == (provider, "anthropic")
    assert any(model in note for note in found.assumptions) == (provider != "anthropic")


def test_a_host_outranks_the_form_of_the_model_id() -> None:
    attributes = {
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": BEDROCK_PROFILE,
        "server.address": "api.anthropic.com",
    }

    assert read_call(OTEL, GENAI | attributes).provider == "anthropic"


@pytest.mark.parametrize(
    ("written", "provider"),
    [
        ('"openai"', "openai"),
        ("openai", "openai"),
        ('"amazon_bedrock"', "aws.bedrock"),
        ('"google_genai"', "gcp.gemini"),
        ('"openai', '"openai'),
    ],
)
def test_metadata_of_langfuse_is_json_since_version_5(written: str, provider: str) -> None:
    attributes = {
        "langfuse.observation.type": "generation",
        "langfuse.observation.model.name": "gpt-4o",
        "langfuse.observation.metadata.ls_provider": written,
        "langfuse.observation.metadata.id": '"chatcmpl-1234567890"',
        "langfuse.observation.metadata.finish_reason": '"stop"',
        "langfuse.trace.metadata.team": '"search"',
    }

    found = read_call("langfuse-sdk", attributes)

    assert found.provider == provider
    assert (found.response_id, found.finish_reasons) == ("chatcmpl-1234567890", ("stop",))
    assert found.attribution.team == "search"
    assert found.attribution.metadata == {"langfuse.trace.metadata.team": "search"}
